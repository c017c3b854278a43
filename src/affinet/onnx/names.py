"""Names that the writer and the reader of ONNX files share."""

METADATA = "affinet.metadata"  # property of a model: all of net.metadata, as JSON
PROBABILITIES = "affinet.probabilities"  # "true" if the last node stands for the loss
CLASSES = "classes"  # property of a model: the class names alone, as a JSON list
