"""Makes the other files here: ``python make_others.py keras``, or ``jax2tf``, or ``jax2onnx``.

Each needs an environment of its own; the files here are of Keras 3.15 on TensorFlow 2.21 with
tf2onnx 1.17, of JAX 0.4.30 with these two (later ones have no jax2tf that tf2onnx understands), and
of jax2onnx 0.17 with JAX 0.10. ``expected-<name>.npz`` holds for each model its rows ``<model>.x``
and what the library itself makes of them, ``<model>.y``.
"""

import sys
from pathlib import Path

import numpy as np
import onnx

HERE = Path(__file__).parent
ROWS, OPSET = 7, 17
RNG = np.random.default_rng(0)


def rows(*shape):
    return RNG.standard_normal((ROWS, *shape)).astype(np.float32)


def keras_models():
    """Name to (function of TensorFlow, rows)."""
    import keras
    import tensorflow

    keras.utils.set_random_seed(0)
    layers = keras.layers

    def dense(n, *activation):
        return layers.Dense(n, *activation, bias_initializer="normal")

    x = keras.Input((2, 2))
    h = dense(3, "relu")(layers.Flatten()(x))
    models = {
        "plain": keras.Sequential(
            [keras.Input((4,)), dense(6, "relu"), layers.Dropout(0.2), dense(3, "softmax")]
        ),
        "gated": keras.Sequential(
            [
                *(keras.Input((4,)), dense(3), layers.BatchNormalization()),
                *(layers.Activation("silu"), dense(3), layers.LeakyReLU(0.2)),
                *(layers.BatchNormalization(), dense(1, "sigmoid")),
            ]
        ),
        "skip": keras.Model(x, dense(2)(layers.Add()([h, dense(3, "tanh")(h)]))),
        "layer-norm": keras.Sequential([keras.Input((2,)), layers.LayerNormalization(), dense(1)]),
        "gelu": keras.Sequential([keras.Input((2,)), dense(2, "gelu"), dense(1)]),
    }
    for model in models.values():
        for weight in model.weights:  # statistics and scales other than 0 and 1
            if any(word in weight.path for word in ("moving", "gamma", "beta")):
                weight.assign(RNG.uniform(0.5, 1.5, weight.shape))
    return {
        name: (
            tensorflow.function(lambda x, net=net: net(x, training=False)),
            rows(*net.input_shape[1:]),
        )
        for name, net in models.items()
    }


def jax_models():
    """Name to (function of JAX, rows)."""
    import jax

    w, v, a, b = (RNG.standard_normal(s).astype(np.float32) for s in ((4, 5), (5, 3), 5, 3))
    nn = jax.nn
    return {
        "relu": (lambda x: nn.relu(x @ w + a) @ v + b, rows(4)),
        "gelu": (lambda x: nn.gelu(x @ w + a, approximate=False) @ v + b, rows(4)),
        "gates": (lambda x: nn.sigmoid(nn.silu(x @ w + a) @ v + b), rows(4)),
        "softmax": (lambda x: nn.softmax(x @ w + a), rows(4)),
    }


def by_tf2onnx(function, x):
    """The ONNX model of a function of TensorFlow."""
    import tensorflow
    import tf2onnx

    given = tensorflow.TensorSpec((None, *x.shape[1:]), tensorflow.float32, name="x")
    return tf2onnx.convert.from_function(function, (given,), opset=OPSET)[0]


def by_jax2tf(function, x):
    """The ONNX model of a function of JAX, by way of TensorFlow."""
    import tensorflow
    from jax.experimental import jax2tf

    shapes = [f"(b, {x.shape[1]})"]
    found = jax2tf.convert(
        function, polymorphic_shapes=shapes, native_serialization=False, enable_xla=False
    )
    return by_tf2onnx(tensorflow.function(found, autograph=False), x)


def by_jax2onnx(function, x):
    """The ONNX model of a function of JAX."""
    from jax2onnx import to_onnx

    return to_onnx(function, [("B", x.shape[1])])


MAKERS = {
    "keras": (keras_models, by_tf2onnx),
    "jax2tf": (jax_models, by_jax2tf),
    "jax2onnx": (jax_models, by_jax2onnx),
}


def main(library):
    """Write every model of a library, and what it gives."""
    models, convert = MAKERS[library]
    expected = {}
    for name, (function, x) in models().items():
        onnx.save(convert(function, x), HERE / f"{library}-{name}.onnx")
        expected |= {f"{library}-{name}.x": x, f"{library}-{name}.y": np.asarray(function(x))}
    np.savez(HERE / f"expected-{library}.npz", **expected)


if __name__ == "__main__":
    main(sys.argv[1])
