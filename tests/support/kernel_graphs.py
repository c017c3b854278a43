"""Random networks with branches, and a plain walk through them, one kernel at a time.

The walk works in either of two ways: with affinet.reference, or with the compiled kernels of the
parts, whose results a whole compiled pass must repeat to the bit.
"""

import inspect
import math

import numpy as np

from affinet import reference
from affinet.layers.operation import Operation

STRUCTURE = (
    *("affine", "dropout", "batch_norm", "layer_norm", "add", "identity", "multiply", "scale"),
    *("periodic_embedding", "embedding", "piecewise_embedding"),
    *("linear", "member_scale", "member_scale_shift", "member_affine", "increasing"),
)
MOST_MEMBERS = 3
PARAMETRIC = "parametric_"  # before the name of an elementwise kernel
NUMBERS = {"slope": 0.1}  # of elementwise kernels, by the name of the argument
EPS, MOMENTUM, STEP, PLACE = 1e-3, 0.2, 11, 5
CODES = 3  # of each column that has any


def elementwise(kernels):
    """The names of the elementwise kernels that operations can name."""
    return [name for name in kernels.known_operations() if name not in STRUCTURE]


def numbers_of(kernel):
    """What an elementwise kernel takes besides arrays."""
    parameters = list(inspect.signature(getattr(reference, f"{kernel}_forward")).parameters)
    return tuple(NUMBERS[name] for name in parameters[1:])


class Builder:
    """Grows a random network: residual blocks in blocks, projections, dropout, normalizations."""

    def __init__(self, rng, dtype, n_inputs, names):
        self.rng, self.dtype, self.names = rng, dtype, names
        self.n_inputs, self.n_parameters = n_inputs, 0
        self.records, self.code_columns = [], np.zeros(0, np.int64)
        self.members = int(rng.integers(1, MOST_MEMBERS + 1))  # of an ensemble, if it becomes one

    def put(self, kernel, *sources, n_outputs=None, sizes=(), **fields):
        """One more operation; returns its place."""
        here = len(self.records)
        if sources == (here - 1,) and self.rng.random() < 0.5:
            sources = ()  # the same, said shorter
        if sizes:
            ends = self.n_parameters + np.cumsum((0, *sizes))
            self.n_parameters = int(ends[-1])
            fields["starts"] = tuple(ends[:-1].tolist())
        self.records.append(Operation(kernel, sources, n_outputs, **fields))
        return here

    def n_outputs(self, place, n_outputs=None):
        """The width of what an operation gives, or of the input."""
        while n_outputs is None and place >= 0:
            record = self.records[place]
            n_outputs = record.n_outputs
            place = record.sources[0] if record.sources else place - 1
        return self.n_inputs if n_outputs is None else n_outputs

    def affine(self, source, width):
        inputs = self.n_outputs(source)
        return self.put("affine", source, n_outputs=width, sizes=(inputs * width, width))

    def part(self, source, keep_width):
        """One random operation that is no branch."""
        width = self.n_outputs(source)
        kind = self.rng.integers(16)
        if kind <= 1:
            return self.affine(source, width if keep_width else int(self.rng.integers(1, 20)))
        if kind == 2:
            key = int(self.rng.integers(2**63))
            return self.put("dropout", source, numbers=(0.3,), key=key)
        if kind == 3:
            running = (np.zeros(width, self.dtype), np.ones(width, self.dtype))
            numbers = (EPS, MOMENTUM)
            fields = {"sizes": (width, width), "numbers": numbers, "arrays": running}
            return self.put("batch_norm", source, **fields)
        if kind == 4:
            return self.put("layer_norm", source, sizes=(width, width), numbers=(EPS,))
        if kind == 5 and self.rng.random() < 0.3:
            return self.put("identity", source)
        name = self.names[self.rng.integers(len(self.names))]
        if kind == 6 and self.rng.random() < 0.5:
            n = next(n for n in (3, 2, 1) if width % n == 0)
            return self.put("increasing", source, numbers=(n,))
        if kind == 6:
            return self.put("multiply", source, numbers=(0.7,))
        if kind == 7:
            return self.put("scale", source, sizes=(width,))
        if kind == 8 and not keep_width:
            return self.periodic(source, self.some(width))
        if kind >= 12:
            return self.of_an_ensemble(kind, source, keep_width)
        if kind in (8, 9):
            return self.put(PARAMETRIC + name, source, sizes=(width,), numbers=numbers_of(name))
        return self.put(name, source, numbers=numbers_of(name))

    def of_an_ensemble(self, kind, source, keep_width):
        """A layer of an ensemble's members, or one that TabM has beside them."""
        width, k = self.n_outputs(source), self.members
        outputs = width if keep_width else int(self.rng.integers(1, 20))
        if kind == 12 and self.rng.random() < 0.5:
            return self.put("linear", source, n_outputs=outputs, sizes=(width * outputs,))
        if kind == 12:
            return self.put("member_scale", source, sizes=(k * width,), numbers=(k,))
        if kind == 13:
            sizes = k * width, k * width
            return self.put("member_scale_shift", source, sizes=sizes, numbers=(k,))
        if kind == 14:
            sizes = k * width * outputs, k * outputs
            numbers = (k,)
            return self.put(
                "member_affine", source, n_outputs=outputs, sizes=sizes, numbers=numbers
            )
        return self.piecewise(source, self.some(width), keep_width)

    def piecewise(self, source, columns, keep_width):
        """Bins of some columns."""
        n, T = len(columns), int(self.rng.integers(1, 5))
        d = 1 if keep_width else int(self.rng.integers(1, 19))
        edges = np.cumsum(self.rng.uniform(0.1, 1, (n, T + 1)), axis=1) - 0.2 * T
        counts = self.rng.integers(1, T + 1, n)
        return self.put(
            "piecewise_embedding",
            source,
            n_outputs=self.n_outputs(source) + n * (d - 1),
            sizes=(n * d, n * d, n * T * d),
            numbers=(T, d),
            arrays=(columns, counts, edges.astype(self.dtype).ravel()),
        )

    def some(self, width, most=3):
        """Some columns, ascending."""
        count = int(self.rng.integers(1, min(width, most) + 1))
        return np.sort(self.rng.permutation(width)[:count])

    def periodic(self, source, columns):
        """Waves of some columns."""
        K, M = int(self.rng.integers(1, 19)), int(self.rng.integers(1, 4))
        sines, with_x, rectified = (bool(switch) for switch in self.rng.integers(2, size=3))
        n, waves = len(columns), K * (1 + sines)
        return self.put(
            "periodic_embedding",
            source,
            n_outputs=self.n_outputs(source) + n * (M + with_x - 1),
            sizes=(n * K, n * K, n * M * waves, n * M),
            numbers=(K, M, float(sines), float(with_x), float(rectified)),
            arrays=(columns,),
        )

    def embedding(self):
        """Tables for some of the input's columns, possibly behind waves of the columns before."""
        codes, source, shift = self.some(self.n_inputs), -1, 0
        self.code_columns = codes
        if codes[0] > 0 and self.rng.random() < 0.7:
            source = self.periodic(source, np.arange(codes[0]))
            shift = self.n_outputs(source) - self.n_inputs
        rows, d = CODES * len(codes), int(self.rng.integers(1, 5))
        return self.put(
            "embedding",
            source,
            n_outputs=self.n_outputs(source) + len(codes) * (d - 1),
            sizes=(rows * d,),
            numbers=(rows, d),
            arrays=(codes + shift, np.arange(0, rows, CODES)),
        )

    def residual(self, source, depth):
        """Some parts of the source, and the source itself or a projection of it."""
        start = source
        if self.rng.random() < 0.2:
            start = self.put("identity", source)
        end = self.block(start, depth - 1, int(self.rng.integers(1, 4)))
        skip = source
        if self.n_outputs(end) != self.n_outputs(source) or self.rng.random() < 0.3:
            skip = self.affine(source, self.n_outputs(end))
        both = (skip, end) if self.rng.random() < 0.5 else (end, skip)
        return self.put("add", *both)

    def block(self, source, depth, parts):
        for _ in range(parts):
            if depth > 0 and self.rng.random() < 0.5:
                source = self.residual(source, depth)
            else:
                source = self.part(source, keep_width=self.rng.random() < 0.5)
        return source


def random_network(seed, dtype, names):
    """The records, the number of inputs, flat parameters, and the input's columns of codes."""
    rng = np.random.default_rng(seed)
    builder = Builder(rng, dtype, int(rng.integers(1, 12)), names)
    start = builder.embedding() if rng.random() < 0.4 else -1
    end = builder.block(start, 3, int(rng.integers(2, 7)))
    if rng.random() < 0.3 or builder.n_parameters == 0:
        end = builder.affine(end, int(rng.integers(1, 8)))
    params = 0.5 * rng.standard_normal(builder.n_parameters)
    return builder.records, builder.n_inputs, params.astype(dtype), builder.code_columns


def members_of(records):
    """The number of members that must divide the rows."""
    return max((r.numbers[0] for r in records if r.kernel.startswith("member_")), default=1)


def inputs(rng, shape, codes, dtype):
    """Random rows with codes in some columns."""
    x = rng.standard_normal(shape)
    x[:, codes] = rng.integers(0, CODES, (len(x), len(codes)))
    return x.astype(dtype)


class Compiled:
    """The compiled kernels with the signatures of affinet.reference."""

    def __init__(self, kernels):
        self.kernels = kernels

    def __getattr__(self, name):
        return lambda *arguments: self.call(name, *arguments)

    def call(self, name, *arguments):
        first = arguments[0]
        outs = {
            "affine_forward": lambda x, W, b: [(len(x), len(b))],
            "affine_backward_dx": lambda dout, W: [(len(dout), len(W))],
            "affine_backward_dw": lambda x, dout: [(x.shape[1], dout.shape[1])],
            "affine_backward_db": lambda dout: [dout.shape[1]],
            "batch_norm_forward": lambda x, *_: [x.shape, x.shape[1], x.shape[1]],
            "batch_norm_backward": lambda x, *_: [x.shape, x.shape[1], x.shape[1]],
            "layer_norm_forward": lambda x, *_: [x.shape, len(x), len(x)],
            "layer_norm_backward": lambda x, *_: [x.shape, x.shape[1], x.shape[1]],
            "scale_backward": lambda x, *_: [x.shape, x.shape[1]],
            "parametric_forward": lambda x, *_: [x.shape, x.shape],
            "periodic_embedding_forward": wave_shape,
            "periodic_embedding_backward": lambda x, y, dout, w, b, V, c, *_: [
                *(array.shape for array in (x, w, b, V, c))
            ],
            "embedding_forward": lambda x, E, columns, _: [
                (len(x), x.shape[1] + len(columns) * (E.shape[1] - 1))
            ],
            "piecewise_embedding_forward": lambda x, w, *_: [
                (len(x), x.shape[1] + len(w) * (w.shape[1] - 1))
            ],
            "piecewise_embedding_backward": lambda x, dout, w, W, *_: [
                *(array.shape for array in (x, w, w, W))
            ],
            "member_scale_backward": lambda x, dout, s: [x.shape, s.shape, s.shape],
            "member_affine_forward": lambda x, W, b: [(len(x), W.shape[2])],
            "member_affine_backward": lambda x, dout, W: [x.shape, W.shape, W[:, 0].shape],
        }.get(name, lambda x, *_: [x.shape])(*arguments)
        results = [np.full(shape, np.nan, first.dtype) for shape in outs]
        if name == "dropout_forward":
            results.append(np.empty(first.shape, np.uint8))
        getattr(self.kernels, name)(*arguments, *results)
        return results[0] if len(results) == 1 else tuple(results)

    def leaky_relu_backward(self, y, dout, slope):
        return self.call("leaky_relu_backward", y, dout, slope)

    def parametric_backward(self, x, dout, a, activation, numbers, step):
        dx, da, step = np.empty_like(x), np.empty_like(a), step.copy()
        self.kernels.parametric_backward(x, dout, a, activation, numbers, dx, da, step)
        return dx, da, step

    def embedding_backward(self, x, dout, columns, firsts, dE):
        dx, dE = np.empty_like(x), np.empty_like(dE)
        self.kernels.embedding_backward(x, dout, columns, firsts, dx, dE)
        return dx, dE

    def batch_norm_update(self, mean, variance, momentum, rows, running_mean, running_var):
        results = running_mean.copy(), running_var.copy()
        self.kernels.batch_norm_update(mean, variance, momentum, rows, *results)
        return results


def bins(record):
    """Edges (n, T + 1), columns and counts of a piecewise-linear embedding."""
    columns, counts, edges = record.arrays
    return edges.reshape(len(columns), -1), columns, counts


def wave_shape(x, w, b, V, c, columns, sines, with_x, rectified):
    return [(len(x), x.shape[1] + len(columns) * (V.shape[1] + with_x - 1))]


class Walk:
    """A network walked through by functions with the signatures of affinet.reference."""

    def __init__(self, functions, records, params):
        self.functions, self.records, self.params = functions, records, params
        self.grads = np.zeros_like(params)
        self.running = {}  # what follows of a batch_norm's running statistics, by its place

    def sources(self, i):
        return self.records[i].sources or (i - 1,)

    def parameters(self, i, flat):
        """Views of an operation's parameters in a flat buffer."""
        record, width = self.records[i], self.values[i].shape[1]
        shapes = [(width,)] * len(record.starts)
        if record.kernel == "affine":
            shapes[0] = (self.values[self.sources(i)[0]].shape[1], width)
        elif record.kernel == "periodic_embedding":
            (K, M, sines, *_), n = record.numbers, len(record.arrays[0])
            shapes = [(n, K), (n, K), (n, M, K * (2 if sines else 1)), (n, M)]
        elif record.kernel == "embedding":
            shapes = [record.numbers]
        elif record.kernel == "piecewise_embedding":
            (T, d), n = record.numbers, len(record.arrays[0])
            shapes = [(n, d), (n, d), (n, T, d)]
        elif record.kernel == "linear":
            shapes = [(self.values[self.sources(i)[0]].shape[1], width)]
        elif record.kernel.startswith("member_"):
            (k,) = record.numbers
            shapes = [(k, width)] * len(record.starts)
            if record.kernel == "member_affine":
                shapes[0] = (k, self.values[self.sources(i)[0]].shape[1], width)
        return [
            flat[start : start + math.prod(shape)].reshape(shape)
            for start, shape in zip(record.starts, shapes, strict=True)
        ]

    def forward(self, x, train):
        self.values, self.kept, self.train = {-1: x}, {}, train
        for i, record in enumerate(self.records):
            inputs = [self.values[source] for source in self.sources(i)]
            width = inputs[0].shape[1] if record.n_outputs is None else record.n_outputs
            self.values[i] = np.empty((len(x), width))  # for the widths of the parameters
            self.values[i] = self.apply(i, record, *inputs)
        return self.values[len(self.records) - 1]

    def apply(self, i, record, x, other=None):
        f, kernel = self.functions, record.kernel
        if kernel == "affine":
            return f.affine_forward(x, *self.parameters(i, self.params))
        if kernel == "add":
            return x + other
        if kernel == "identity" or (kernel == "dropout" and not self.train):
            return x
        if kernel == "dropout":
            out, self.kept[i] = f.dropout_forward(x, *record.numbers, record.key, STEP, PLACE)
            return out
        if kernel == "layer_norm":
            gamma, beta = self.parameters(i, self.params)
            out, *self.kept[i] = f.layer_norm_forward(x, gamma, beta, *record.numbers)
            return out
        if kernel == "batch_norm":
            gamma, beta = self.parameters(i, self.params)
            eps, momentum = record.numbers
            running = [array.astype(x.dtype) for array in record.arrays]
            if not self.train:
                return f.batch_norm_predict(x, gamma, beta, *running, eps)
            out, *self.kept[i] = f.batch_norm_forward(x, gamma, beta, eps)
            self.running[i] = f.batch_norm_update(*self.kept[i], momentum, len(x), *running)
            return out
        if kernel == "multiply":
            return x.dtype.type(record.numbers[0]) * x
        if kernel == "increasing":
            return f.increasing_forward(x, *record.numbers)
        if kernel == "scale":
            return f.scale_forward(x, *self.parameters(i, self.params))
        if kernel == "periodic_embedding":
            switches = [bool(number) for number in record.numbers[2:]]
            arrays = *self.parameters(i, self.params), *record.arrays
            return f.periodic_embedding_forward(x, *arrays, *switches)
        if kernel == "embedding":
            return f.embedding_forward(x, *self.parameters(i, self.params), *record.arrays)
        if kernel == "piecewise_embedding":
            return f.piecewise_embedding_forward(x, *self.parameters(i, self.params), *bins(record))
        if kernel == "linear":
            (W,) = self.parameters(i, self.params)
            return f.affine_forward(x, W, np.zeros(W.shape[1], x.dtype))
        if kernel == "member_affine":
            return f.member_affine_forward(x, *self.parameters(i, self.params))
        if kernel.startswith("member_scale"):
            s, b = (*self.parameters(i, self.params), None)[:2]
            return f.member_scale_forward(x, s, b)
        if kernel.startswith(PARAMETRIC):
            function = kernel.removeprefix(PARAMETRIC), record.numbers
            (a,) = self.parameters(i, self.params)
            out, self.kept[i] = f.parametric_forward(x, a, *function)
            return out
        return getattr(f, f"{kernel}_forward")(x.ravel(), *record.numbers).reshape(x.shape)

    def backward(self, dout):
        """Gradients of all parameters; what several read gets its gradients last reader first."""
        gradients = {len(self.records) - 1: dout}
        for i in range(len(self.records) - 1, -1, -1):
            dx = self.pull_back(i, self.records[i], gradients.pop(i))
            for source in self.sources(i):
                known = gradients.get(source)
                gradients[source] = dx if known is None else known + dx

    def pull_back(self, i, record, dout):
        f, kernel, x = self.functions, record.kernel, self.values[self.sources(i)[0]]
        if kernel in ("add", "identity"):
            return dout
        if kernel == "dropout":
            return f.dropout_backward(dout, self.kept[i], *record.numbers)
        if kernel == "increasing":
            return f.increasing_backward(x, dout, *record.numbers)
        if kernel == "multiply":
            return dout.dtype.type(record.numbers[0]) * dout
        parameters = gradients = []
        if record.starts:
            parameters, gradients = self.parameters(i, self.params), self.parameters(i, self.grads)
        if kernel == "affine":
            W, (first, second) = parameters[0], gradients
            first[:], second[:] = f.affine_backward_dw(x, dout), f.affine_backward_db(dout)
            return f.affine_backward_dx(dout, W)
        if kernel == "linear":
            gradients[0][:] = f.affine_backward_dw(x, dout)
            return f.affine_backward_dx(dout, parameters[0])
        if kernel == "layer_norm":
            results = f.layer_norm_backward(x, dout, parameters[0], *self.kept[i], *record.numbers)
        elif kernel == "batch_norm":
            kept = *self.kept[i], record.numbers[0], True
            results = f.batch_norm_backward(x, dout, parameters[0], *kept)
        elif kernel == "scale":
            results = f.scale_backward(x, dout, *parameters)
        elif kernel == "periodic_embedding":
            switches = [bool(number) for number in record.numbers[2:]]
            arrays = *parameters, *record.arrays
            y = self.values[i]
            results = f.periodic_embedding_backward(x, y, dout, *arrays, *switches)
        elif kernel == "embedding":
            results = f.embedding_backward(x, dout, *record.arrays, *gradients)
        elif kernel == "piecewise_embedding":
            w, _, W = parameters
            results = f.piecewise_embedding_backward(x, dout, w, W, *bins(record))
        elif kernel == "member_affine":
            results = f.member_affine_backward(x, dout, parameters[0])
        elif kernel.startswith("member_scale"):
            results = f.member_scale_backward(x, dout, parameters[0])[: 1 + len(gradients)]
        elif kernel.startswith(PARAMETRIC):
            function = kernel.removeprefix(PARAMETRIC), record.numbers
            results = f.parametric_backward(x, dout, *parameters, *function, self.kept[i])[:2]
        else:
            backward = f"{kernel}_backward"
            needed = inspect.signature(getattr(reference, backward)).parameters
            kept = x if next(iter(needed)) == "x" else self.values[i]
            backward = getattr(f, backward)
            return backward(kept.ravel(), dout.ravel(), *record.numbers).reshape(x.shape)
        dx, *results = results
        for gradient, result in zip(gradients, results, strict=True):
            gradient[...] = result
        return dx
