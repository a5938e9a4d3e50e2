"""System.IO streams in memory, compression, readers, and hashes."""

from __future__ import annotations

import gzip
import hashlib
import zlib

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.net.numbers import bytes_of
from patchyard.testing.windows.powershell.net.text import Encoding
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, EnumValue, Int64, Value

STREAM = NetInfo("System.IO.Stream", base=kinds.OBJECT)
kinds.enumeration("System.IO.Compression.CompressionMode", {"Decompress": 0, "Compress": 1})
kinds.enumeration("System.IO.Compression.CompressionLevel", {"Optimal": 0, "Fastest": 1})
kinds.enumeration("System.IO.SeekOrigin", {"Begin": 0, "Current": 1, "End": 2})


class Stream(NetObject):
    """A stream of bytes that lies in memory."""

    net = STREAM

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.at = 0
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        self.must_be_open()
        end = len(self.data) if count < 0 else min(self.at + count, len(self.data))
        found = bytes(self.data[self.at : end])
        self.at = end
        return found

    def write(self, data: bytes) -> None:
        """Write at the place where it is."""
        self.must_be_open()
        self.data[self.at : self.at + len(data)] = data
        self.at += len(data)

    def close(self) -> None:
        """End it."""
        self.closed = True

    def must_be_open(self) -> None:
        """Refuse to go on with a stream that was closed.

        Raises:
            NetError: it was.
        """
        if self.closed:
            raise NetError("System.ObjectDisposedException", "Cannot access a closed Stream.")

    @net.method("Read")
    def _read(self, _rt: Value, buffer: Value, at: Value, count: Value) -> Value:
        found = self.read(to_int(count))
        buffer[to_int(at) : to_int(at) + len(found)] = found
        return len(found)

    @net.method("Write")
    def _write(self, _rt: Value, buffer: Value, at: Value, count: Value) -> Value:
        self.write(bytes_of(buffer)[to_int(at) : to_int(at) + to_int(count)])
        return NOTHING

    @net.method("ReadByte")
    def _read_byte(self, _rt: Value) -> Value:
        found = self.read(1)
        return found[0] if found else -1

    @net.method("CopyTo")
    def _copy_to(self, _rt: Value, other: Value, _size: Value = 0) -> Value:
        other.write(self.read())
        return NOTHING

    @net.method("Flush")
    def _flush(self, _rt: Value, _to_disk: Value = False) -> Value:
        self.must_be_open()
        return NOTHING

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        self.close()
        return NOTHING

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        self.close()
        return NOTHING

    @net.property("Length")
    def _length(self) -> Value:
        self.must_be_open()
        return Int64(len(self.data))

    @net.property("Position")
    def _position(self) -> Value:
        return Int64(self.at)

    @net.setter("Position")
    def _set_position(self, value: Value) -> None:
        self.at = to_int(value)

    @net.method("Seek")
    def _seek(self, _rt: Value, offset: Value, origin: Value) -> Value:
        name = text_of(origin).lower()
        base = {"begin": 0, "current": self.at, "end": len(self.data)}[name]
        self.at = base + to_int(offset)
        return Int64(self.at)


class MemoryStream(Stream):
    """System.IO.MemoryStream."""

    net = NetInfo("System.IO.MemoryStream", base=STREAM)

    @net.method("ToArray")
    def _to_array(self, _rt: Value) -> Value:
        return bytearray(self.data)


@MemoryStream.net.constructor
def _new_memory(_rt: Value, *given: Value) -> Value:
    """Make one from bytes; a script may pass them inside an array, to keep them together."""
    first = given[0] if given else b""
    if isinstance(first, int):
        return MemoryStream()
    return MemoryStream(bytes_of(first) if first else b"")


class GZip(Stream):
    """System.IO.Compression.GZipStream: what is written is compressed when it is closed."""

    net = NetInfo("System.IO.Compression.GZipStream", base=STREAM)

    def __init__(self, inner: Stream, *, compress: bool, leave_open: bool) -> None:
        super().__init__()
        self.inner = inner
        self.compress = compress
        self.leave_open = leave_open
        self._read_in = False

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, unpacked.

        Raises:
            NetError: they were not packed by gzip.
        """
        if self.compress:
            raise NetError(
                "System.InvalidOperationException",
                "Reading from the compression stream is not supported.",
            )
        if not self._read_in:
            self._read_in = True
            try:
                self.data = bytearray(gzip.decompress(self.inner.read()))
            except (OSError, EOFError, zlib.error):
                raise NetError(
                    "System.IO.InvalidDataException",
                    "The magic number in GZip header is not correct. Make sure you are passing in "
                    "a GZip stream.",
                ) from None
        return super().read(count)

    def close(self) -> None:
        """End it: only now is everything in the stream underneath."""
        if not self.closed and self.compress:
            self.inner.write(gzip.compress(bytes(self.data), mtime=0))
        if not self.closed and not self.leave_open:
            self.inner.close()
        super().close()


@GZip.net.constructor
def _new_gzip(_rt: Value, inner: Value, mode: Value, leave_open: Value = False) -> Value:
    name = text_of(mode).lower()
    if name not in {"compress", "decompress", "optimal", "fastest"}:
        raise NotSimulated(f"the compression mode {name}")
    return GZip(inner, compress=name != "decompress", leave_open=bool(leave_open))


class Reader(NetObject):
    """System.IO.StreamReader and StringReader."""

    net = NetInfo("System.IO.StreamReader", base=kinds.OBJECT)

    def __init__(self, inner: Stream, encoding: Encoding) -> None:
        self.inner = inner
        self.encoding = encoding
        self._text: str | None = None

    @property
    def text(self) -> str:
        """What has not been read yet."""
        if self._text is None:
            data = self.inner.read()
            self._text = self.encoding.decode(data.removeprefix(b"\xef\xbb\xbf"))
        return self._text

    @net.method("ReadToEnd")
    def _read_to_end(self, _rt: Value) -> Value:
        found, self._text = self.text, ""
        return found

    @net.method("ReadLine")
    def _read_line(self, _rt: Value) -> Value:
        if not self.text:
            return None
        line, _, self._text = self.text.partition("\n")
        return line.removesuffix("\r")

    @net.property("EndOfStream")
    def _end_of_stream(self) -> Value:
        return not self.text

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        self.inner.close()
        return NOTHING

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        self.inner.close()
        return NOTHING


@Reader.net.constructor
def _new_reader(_rt: Value, inner: Value, encoding: Value = None) -> Value:
    if not isinstance(inner, Stream):
        raise NotSimulated("a StreamReader of anything but a stream")
    return Reader(inner, encoding if isinstance(encoding, Encoding) else Encoding("utf-8"))


class Writer(NetObject):
    """System.IO.StreamWriter."""

    net = NetInfo("System.IO.StreamWriter", base=kinds.OBJECT)

    def __init__(self, inner: Stream, encoding: Encoding) -> None:
        self.inner = inner
        self.encoding = encoding

    @net.method("Write")
    def _write(self, _rt: Value, text: Value) -> Value:
        self.inner.write(self.encoding.encode(text_of(text)))
        return NOTHING

    @net.method("WriteLine")
    def _write_line(self, _rt: Value, text: Value = "") -> Value:
        self.inner.write(self.encoding.encode(f"{text_of(text)}\r\n"))
        return NOTHING

    @net.method("Flush")
    def _flush(self, _rt: Value) -> Value:
        return NOTHING

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        self.inner.close()
        return NOTHING

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        self.inner.close()
        return NOTHING


@Writer.net.constructor
def _new_writer(_rt: Value, inner: Value, encoding: Value = None) -> Value:
    return Writer(inner, encoding if isinstance(encoding, Encoding) else Encoding("utf-8"))


class Hash(NetObject):
    """System.Security.Cryptography.SHA256."""

    net = NetInfo("System.Security.Cryptography.SHA256", base=kinds.OBJECT)

    @net.static("Create")
    @staticmethod
    def _create(_rt: Value) -> Value:
        return Hash()

    @net.method("ComputeHash")
    def _compute(self, _rt: Value, data: Value, at: Value = 0, count: Value = None) -> Value:
        raw = data.read() if isinstance(data, Stream) else bytes_of(data)
        end = len(raw) if count is None else to_int(at) + to_int(count)
        return bytearray(hashlib.sha256(raw[to_int(at) : end]).digest())

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        return NOTHING


def mode_name(mode: Value) -> str:
    """Return the name of a member of an enumeration, or of the string that stands for it."""
    return mode.name if isinstance(mode, EnumValue) else text_of(mode)
