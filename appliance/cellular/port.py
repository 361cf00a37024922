"""A serial port with one thread of its own: nobody who reads from it or writes to it ever waits, and what goes wrong has a name."""

from __future__ import annotations

import contextlib
import errno
import logging
import stat
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import serial

from appliance.cellular.api import Fault

log = logging.getLogger(__name__)

BAUD = 115_200
"""Over USB any will do; over a UART it is what these modems start with."""
WRITE_S = 1.0
"""A modem that takes nothing for so long hangs."""
READ_S = 1.0
MOST_HELD = 1 << 16
"""Of what was read and not taken. A port that floods the box loses the rest."""
_NAMES = {
    errno.ENOENT: Fault.MISSING, errno.ENODEV: Fault.MISSING, errno.ENXIO: Fault.MISSING, errno.EACCES: Fault.NO_PERMISSION, errno.EPERM: Fault.NO_PERMISSION,
    errno.EBUSY: Fault.BUSY, errno.EAGAIN: Fault.BUSY, errno.ENOTTY: Fault.WRONG_PORT, errno.EINVAL: Fault.WRONG_PORT, errno.EISDIR: Fault.WRONG_PORT,
    errno.EIO: Fault.UNPLUGGED,
}  # fmt: skip


class SerialPort:
    """`ready` is called on the port's thread: it opened, something was read, or it is over. `fault` is set once it is over by itself.

    A port is used once: open, close, forget.
    """

    def __init__(self, path: Path, ready: Callable[[], None]) -> None:
        self.path = path
        self.opened = False
        self.fault: Fault | None = None
        self._ready = ready
        self._lock = threading.Lock()
        self._inbox, self._outbox = bytearray(), bytearray()
        self._stopping = False
        self._serial: serial.Serial | None = None
        self._thread = threading.Thread(target=self._run, name=f"serial {path.name}", daemon=True)
        self._thread.start()

    def take(self) -> bytes:
        """What was read since; never waits."""
        with self._lock:
            data = bytes(self._inbox)
            self._inbox.clear()
        return data

    def write(self, data: bytes) -> None:
        """Hand it to the thread; never waits. What does not fit is lost, as on a wire nobody listens to: the time-out of whoever asked tells."""
        with self._lock:
            if len(self._outbox) + len(data) <= MOST_HELD:
                self._outbox += data
            self._wake()

    def close(self) -> None:
        """Ask the thread to end; does not wait for it."""
        with self._lock:
            self._stopping = True
            self._wake()

    @property
    def over(self) -> bool:
        """The device is given back."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait until the device is given back (not on the loop)."""
        self._thread.join(READ_S + WRITE_S + 1.0)

    def _wake(self) -> None:
        if self._serial is not None:
            self._serial.cancel_read()

    def _run(self) -> None:
        try:
            self._open()
            self._serve()
        except serial.SerialTimeoutException:
            self.fault = Fault.HUNG
        except (OSError, ValueError) as error:  # SerialException is an OSError; ValueError: a speed the port does not have
            self.fault = _named(error, self.opened)
            log.debug("%s: %s", self.path, error)
        except Exception:
            log.exception("the serial port %s failed", self.path)
            self.fault = Fault.HUNG
        finally:
            with self._lock:
                port, self._serial = self._serial, None
            if port is not None:
                port.close()
            self._ready()

    def _open(self) -> None:
        port = _opened(self.path)
        with self._lock:
            self._serial = port
        self.opened = True
        self._ready()

    def _serve(self) -> None:
        port = self._serial
        assert port is not None
        while True:
            with self._lock:
                if self._stopping:
                    return
                data = bytes(self._outbox)
                self._outbox.clear()
            if data:
                port.write(data)
            data = port.read(1)
            if not data:
                continue
            data += port.read(port.in_waiting)
            with self._lock:
                first = not self._inbox
                self._inbox += data[: MOST_HELD - len(self._inbox)]
            if first:
                self._ready()


class SoundPort:
    """The port a modem's calls have their sound on. It is only opened here: who carries the sound reads and writes `fd`, which never blocks.

    `ready` is called on a thread of its own once it is open, or `fault` is set. A port is used once.
    """

    def __init__(self, path: Path, ready: Callable[[], None]) -> None:
        self.path = path
        self.fault: Fault | None = None
        self._ready = ready
        self._lock = threading.Lock()
        self._closed = False
        self._serial: serial.Serial | None = None
        threading.Thread(target=self._run, name=f"serial {path.name}", daemon=True).start()

    @property
    def fd(self) -> int | None:
        """None: it is not open yet, or no longer."""
        with self._lock:
            return int(self._serial.fileno()) if self._serial is not None else None

    def close(self) -> None:
        """Give the device back; does not wait for it."""
        with self._lock:
            self._closed = True
            port, self._serial = self._serial, None
        if port is not None:
            threading.Thread(target=_given_back, args=(port,), name=f"close {self.path.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            port = _opened(self.path)
            with self._lock:
                self._serial = None if self._closed else port
            if self._closed:
                port.close()
        except (OSError, ValueError) as error:
            self.fault = _named(error, opened=False)
            log.debug("%s: %s", self.path, error)
        finally:
            self._ready()


def _given_back(port: serial.Serial) -> None:
    """The kernel may wait half a minute for a modem that hangs to take what was written."""
    with contextlib.suppress(OSError, termios.error):
        port.reset_output_buffer()
    with contextlib.suppress(OSError):
        port.close()


def _opened(path: Path) -> serial.Serial:
    # pyserial would open a file or a FIFO, and wait on the latter.
    if not stat.S_ISCHR(path.stat().st_mode):
        raise OSError(errno.ENOTTY, "no serial port")
    try:
        return serial.Serial(str(path), BAUD, timeout=READ_S, write_timeout=WRITE_S, exclusive=True)
    except termios.error as error:  # no OSError, and pyserial lets it through: unplugged as it was opened
        raise OSError(errno.EIO, str(error)) from error


def _named(error: OSError | ValueError, opened: bool) -> Fault:
    if opened:
        return Fault.UNPLUGGED
    if isinstance(error, ValueError):
        return Fault.WRONG_PORT
    if error.errno in _NAMES:
        return _NAMES[error.errno]
    # pyserial says in words alone that the lock is another's, and that the device knows no line settings.
    return Fault.BUSY if "lock" in str(error) else Fault.WRONG_PORT
