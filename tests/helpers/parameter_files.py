"""Parameter files, for ROS and for the reader of the package alike."""

import math

NODE = "/perception/perception_node"

#: Files that ROS reads, by what is special about them, and what the node NODE gets of each.
FILES = {
    "every node": ("/**: {ros__parameters: {a: 1}}", {"a": 1}),
    "every node, without a slash": ("'**': {ros__parameters: {a: 1}}", {"a": 1}),
    "one level": ("/*: {ros__parameters: {a: 1}}", {}),
    "two levels": ("/*/*: {ros__parameters: {a: 1}}", {"a": 1}),
    "of any namespace": ("/**/perception_node: {ros__parameters: {a: 1}}", {"a": 1}),
    "of a namespace of one level": ("/*/perception_node: {ros__parameters: {a: 1}}", {"a": 1}),
    "a namespace's nodes": ("/perception/*: {ros__parameters: {a: 1}}", {"a": 1}),
    "all below a namespace": ("/perception/**: {ros__parameters: {a: 1}}", {"a": 1}),
    "no level between": ("/perception/**/perception_node: {ros__parameters: {a: 1}}", {"a": 1}),
    "another name": ("/**/segmentation_node: {ros__parameters: {a: 1}}", {}),
    "another namespace": ("/other/*: {ros__parameters: {a: 1}}", {}),
    "bare name": ("perception_node: {ros__parameters: {a: 1}}", {}),
    "name in the root": ("/perception_node: {ros__parameters: {a: 1}}", {}),
    "full name": ("/perception/perception_node: {ros__parameters: {a: 1}}", {"a": 1}),
    "full name, no slash": ("perception/perception_node: {ros__parameters: {a: 1}}", {"a": 1}),
    "case": ("/Perception/perception_node: {ros__parameters: {a: 1}}", {}),
    "nested": ("perception: {perception_node: {ros__parameters: {a: 1}}}", {"a": 1}),
    "nested, a slash": ("/perception: {perception_node: {ros__parameters: {a: 1}}}", {"a": 1}),
    "nested, two slashes": ("/perception/: {perception_node: {ros__parameters: {a: 1}}}", {"a": 1}),
    "nested wildcard": ("perception: {'*': {ros__parameters: {a: 1}}}", {"a": 1}),
    "below a wildcard": ("/**: {perception_node: {ros__parameters: {a: 1}}}", {"a": 1}),
    "nested deeper": (
        "a: {b: {c: {ros__parameters: {a: 1}}}}\n/**: {ros__parameters: {b: 2}}",
        {"b": 2},
    ),
    "a namespace and its node": (
        "perception: {perception_node: {ros__parameters: {a: 1}}, ros__parameters: {b: 1}}",
        {"a": 1},
    ),
    "later wins": (
        "/perception/perception_node: {ros__parameters: {a: 1, b: 1}}\n"
        "/**: {ros__parameters: {a: 2}}",
        {"a": 2, "b": 1},
    ),
    "later wins, the other way": (
        "/**: {ros__parameters: {a: 2}}\n/perception/perception_node: {ros__parameters: {a: 1}}",
        {"a": 1},
    ),
    "the same section again": (
        "/**: {ros__parameters: {a: 1}}\n/**/perception_node: {ros__parameters: {a: 2}}\n"
        "/**: {ros__parameters: {a: 3, b: 4}}",
        {"a": 2, "b": 4},
    ),
    "two spellings": (
        "perception: {perception_node: {ros__parameters: {a: 2}}}\n"
        "/perception/perception_node: {ros__parameters: {a: 1}}",
        {"a": 1},
    ),
    "two documents": (
        "/**: {ros__parameters: {a: 1, b: 1}}\n---\n/**: {ros__parameters: {a: 2}}",
        {"a": 2, "b": 1},
    ),
    "levels and dots": (
        "/**: {ros__parameters: {g.a: 1, g: {a: 2, h.b: 3}}}",
        {"g.a": 2, "g.h.b": 3},
    ),
    "dots and levels": ("/**: {ros__parameters: {g: {a: 2}, g.a: 1}}", {"g.a": 1}),
    "nothing": ("/**: {ros__parameters: {}}", {}),
    "a robot": (
        "/other/grasp_server: {ros__parameters: {a: 5, timeout: 3.0}}\n"
        "/perception/perception_node: {ros__parameters: {a: 1}}\n"
        "/rgbd_sync: {ros__parameters: {a: 7, b: 8}}",
        {"a": 1},
    ),
    "truth": (
        "/**: {ros__parameters: {a: yes, b: y, c: 'yes', d: Off, e: TRUE, f: tRue}}",
        {"a": True, "b": True, "c": "yes", "d": False, "e": True, "f": "tRue"},
    ),
    "integers": (
        "/**: {ros__parameters: {a: 0x10, b: 010, c: +3, d: -0x1F, e: 1_000, f: '3', g: 0o17}}",
        {"a": 16, "b": 8, "c": 3, "d": -31, "e": "1_000", "f": "3", "g": "0o17"},
    ),
    "numbers": (
        "/**: {ros__parameters: {a: 1e3, b: .5, c: 5., d: 08, e: inf, f: -.inf, g: 1e, h: 1E-3}}",
        {
            "a": 1000.0,
            "b": 0.5,
            "c": 5.0,
            "d": 8.0,
            "e": math.inf,
            "f": -math.inf,
            "g": "1e",
            "h": 0.001,
        },
    ),
    "a large number": ("/**: {ros__parameters: {a: 99999999999999999999}}", {"a": 1e20}),
    "words": (
        "/**:\n  ros__parameters:\n    a: ~\n    b: null\n    c: ''\n"
        "    d: 2024-01-01\n    e: 1:30\n    f: |\n      3\n    g: ~/x\n",
        {"a": "~", "b": "null", "c": "", "d": "2024-01-01", "e": "1:30", "f": "3\n", "g": "~/x"},
    ),
    "lists": (
        "/**: {ros__parameters: {a: [1, 2], b: [u, v], c: [0.5, 1.0]}}",
        {"a": [1, 2], "b": ["u", "v"], "c": [0.5, 1.0]},
    ),
    "names that are no words": ("/**: {ros__parameters: {1: 2, yes: 3}}", {"1": 2, "yes": 3}),
}
