"""Names that the writer and the reader of ONNX files share."""

METADATA = "affinet.metadata"  # property of a model: all of net.metadata, as JSON
PRECISION = "affinet.precision"  # of a network's products, if it has one, as JSON; or a list
MEMBERS = "affinet.members"  # the number of networks, if they are several
PROBABILITIES = "affinet.probabilities"  # "true" if the last node represents the loss
# For a graph with more than a network, as JSON: the tensor that the network reads ("rows"), its
# "dtype" and "loss", and whether the graph takes the columns of a table ("columns").
TABLE = "affinet.table"
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 2  # the first one whose LabelEncoder maps texts to numbers; part of opset 11 and later
CLASSES = "classes"  # property of a model: only the class names, as a JSON list
# In the documentation of the node that ends a layer of several nodes: the layer's type and config,
# the tensor that it reads, and the names of its parameters' initializers.
LAYER = "layer"
INPUT = "input"
ARRAYS = "arrays"
