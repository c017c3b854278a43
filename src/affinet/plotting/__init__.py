"""Pictures of data, networks and their training, drawn with matplotlib (extra ``cli``).

Each function draws into the axes that it receives as ``ax`` or ``axes``, or creates a figure, and
returns the axes; :func:`save_figure` writes their ``figure``. matplotlib is imported when something
is drawn, and ``pyplot`` never: no window opens, no global figure or setting changes, and no display
is needed. Colour-blind readers can distinguish the colours; where a colour carries meaning, so does
a line style, a marker or a number.
"""

from affinet.plotting.calculus import derivative, descent, gradient_cost
from affinet.plotting.curves import learning_curve
from affinet.plotting.depth import activation_histograms, dead_relu, vanishing_gradient
from affinet.plotting.figures import save_figure
from affinet.plotting.functions import activation_functions
from affinet.plotting.generalization import network_regions, overfitting
from affinet.plotting.images import first_layer_weights, predictions
from affinet.plotting.outcomes import confusion_matrix, predicted_against_true
from affinet.plotting.passes import three_steps
from affinet.plotting.regions import decision_regions

__all__ = [
    "activation_functions",
    "activation_histograms",
    "confusion_matrix",
    "dead_relu",
    "decision_regions",
    "derivative",
    "descent",
    "first_layer_weights",
    "gradient_cost",
    "learning_curve",
    "network_regions",
    "overfitting",
    "predicted_against_true",
    "predictions",
    "save_figure",
    "three_steps",
    "vanishing_gradient",
]
