"""What kernels are made with: their decorator, and asking for memory before it is read."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

kernel = njit(cache=True, nogil=True, error_model="numpy")
"""The decorator of a kernel: kept on disk, without the interpreter's lock, and with NumPy's division, where a
zero gives NaN or infinity: of a loop that may raise the compiler makes no vector instructions."""

_LINE = 64


def row_address(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """For intrinsics: the address of a row of an array, as an integer."""
    fields = context.make_array(array_type)(context, builder, array)
    stride = builder.extract_value(fields.strides, 0)
    return builder.add(builder.ptrtoint(fields.data, stride.type), builder.mul(row, stride))


def _declare_fetch(_: Any, rows: Any, row: Any) -> Any:  # noqa: ARG001
    """The memory of `rows[row]`, line by line."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = row_address(context, builder, signature.args[0], values[0], values[1])
        number = ir.IntType(32)
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        fields = context.make_array(signature.args[0])(context, builder, values[0])
        with cgutils.for_range_slice(
            builder, start.type(0), builder.extract_value(fields.strides, 0), start.type(_LINE)
        ) as (offset, _):
            place = builder.inttoptr(builder.add(start, offset), pointer)
            builder.call(prefetch, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(rows, types.intp), generate


fetch: Any = intrinsic(_declare_fetch)
"""`fetch(rows, row)` asks for the memory of a row before it is read; the array is in C order.

The processor brings it while it computes. A request reads thousands of rows that lie anywhere in gigabytes of
columns; each takes a tenth of a microsecond when it is waited for, much less when many are under way."""
