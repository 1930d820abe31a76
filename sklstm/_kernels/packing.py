"""The weights as products read them: in panels, for the way back those of their transposes too."""

from sklstm._kernels.products import GATES, pack_gates, pack_plain
from sklstm._machine.compile import entry, kernel


@entry
def pack(net, cells, weights, packed, transposed):
    """Write the packed form of all weights; the transposes, for the way back, on request."""
    pack_piece(net, cells, weights, packed, transposed, 0, 1)


@kernel
def pack_piece(net, cells, weights, packed, transposed, piece, pieces):
    """Write a piece of it, of so many: some columns of each matrix."""
    for index in range(cells.size):
        cell = cells[index]
        inputs, units, width = cell["inputs"], cell["units"], cell["width"]
        depth = inputs + 1 + units
        pack_gates(
            depth, units, cell["full"], cell["rest_width"], weights, cell["weights"],
            packed, cell["packed"], piece, pieces,
        )  # fmt: skip
        if not transposed:
            continue
        row = GATES * units
        for q in range(GATES):
            gate = cell["weights"] + q * units
            pack_plain(
                units, units, width, weights, gate + (inputs + 1) * row, 1, row,
                packed, cell["packed_recurrent_transposed"] + q * units * width, piece, pieces,
            )  # fmt: skip
            for place in range(input_blocks(net[0], index)):
                columns, below = input_block(net[0], cells, index)
                pack_plain(
                    units, columns, below, weights, gate + place * columns * row, 1, row,
                    packed, cell["packed_inputs_transposed"] + (GATES * place + q) * below * units,
                    piece, pieces,
                )  # fmt: skip
    inputs, outputs = net[0]["head_inputs"], net[0]["outputs"]
    for first, depth in ((0, inputs), (inputs, 1)):
        pack_plain(
            depth, outputs, net[0]["output_width"], weights, net[0]["weights"] + first * outputs,
            outputs, 1, packed, net[0]["packed"] + first * net[0]["output_width"], piece, pieces,
        )  # fmt: skip
    if transposed:
        pack_plain(
            outputs, inputs, net[0]["head_width"], weights, net[0]["weights"], 1, outputs,
            packed, net[0]["packed_transposed"], piece, pieces,
        )  # fmt: skip


@kernel
def input_blocks(net, index):
    """Of how many blocks of inputs a cell hands the gradient back: one a direction below."""
    if index >= net["directions"]:
        return net["directions"]
    return 1 if net["x_width"] > 0 else 0


@kernel
def input_block(net, cells, index):
    """The columns of such a block, and their width with padding."""
    if index >= net["directions"]:
        below = cells[index - net["directions"]]
        return below["units"], below["width"]
    return net["features"], net["x_width"]
