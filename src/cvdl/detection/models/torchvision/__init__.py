"""The detectors of torchvision, with its weights or with your own.

``detector`` adapts them, ``downloads`` gets torchvision's weights for COCO, and ``training`` trains
your own from random weights: ``cvdl train detector --detector ssd300_vgg16``. The package has no
weights for them.
"""

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

__all__ = ["DESCRIPTIONS"]

#: The detectors, by torchvision's name.
DESCRIPTIONS = {
    "fasterrcnn_resnet50_fpn": "Faster R-CNN (Ren et al. 2015), ResNet-50.",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "Faster R-CNN (Ren et al. 2015), MobileNetV3.",
    "maskrcnn_resnet50_fpn": "Mask R-CNN (He et al. 2017), ResNet-50.",
    "retinanet_resnet50_fpn": "RetinaNet (Lin et al. 2017), ResNet-50.",
    "fcos_resnet50_fpn": "FCOS (Tian et al. 2019), ResNet-50.",
    "ssd300_vgg16": "SSD (Liu et al. 2016), VGG-16, 300 pixels.",
    "ssdlite320_mobilenet_v3_large": "SSDLite (Sandler et al. 2018), MobileNetV3, 320 pixels.",
}

DETECTORS.register(
    *(
        Model(
            name=name,
            description=f"torchvision: {description}",
            loader=deferred("cvdl.detection.models.torchvision.detector:load", name),
            trainer=deferred("cvdl.detection.models.torchvision.training:trainer", name),
        )
        for name, description in DESCRIPTIONS.items()
    )
)
