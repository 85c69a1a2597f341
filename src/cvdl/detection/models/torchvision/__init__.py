"""The detectors of torchvision, with its weights or with your own.

``detector`` adapts them, and ``training`` trains your own: ``cvdl train detector --detector ssd``.
``any_backbone`` builds those of `ANY_BACKBONE`, which start from a network that is trained on
ImageNet; the others start from random weights. The package has no weights for them.
"""

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

__all__ = ["ANY_BACKBONE", "DESCRIPTIONS"]

#: The detectors, by torchvision's name.
DESCRIPTIONS = {
    "fasterrcnn": "Faster R-CNN (Ren et al. 2015) on a network of your choice.",
    "ssd": "SSD (Liu et al. 2016) on a network of your choice, 320 pixels.",
    "fasterrcnn_resnet50_fpn": "Faster R-CNN (Ren et al. 2015), ResNet-50.",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "Faster R-CNN (Ren et al. 2015), MobileNetV3.",
    "maskrcnn_resnet50_fpn": "Mask R-CNN (He et al. 2017), ResNet-50.",
    "retinanet_resnet50_fpn": "RetinaNet (Lin et al. 2017), ResNet-50.",
    "fcos_resnet50_fpn": "FCOS (Tian et al. 2019), ResNet-50.",
    "ssd300_vgg16": "SSD (Liu et al. 2016), VGG-16, 300 pixels.",
    "ssdlite320_mobilenet_v3_large": "SSDLite (Sandler et al. 2018), MobileNetV3, 320 pixels.",
}
#: Those with the setting ``backbone``, which are cvdl's names.
ANY_BACKBONE = ("fasterrcnn", "ssd")

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
