"""Networks as ONNX files, in float32 or quantized to 8 bits; needs torch and onnx."""
