"""Telling the wearer: a notification on the desktop, where there is one. Its absence or failure is one line, not a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from posture.types import Alert, AlertKind

TIMEOUT_S = 3.0
"""A notification service that does not answer is given up after this."""
TITLES = {
    AlertKind.FLEXED_SITTING: "Time to move",
    AlertKind.BEND: "Bend",
    AlertKind.FLOOR_TRANSITION: "Floor",
    AlertKind.RECALIBRATE: "Sensor moved",
}


@dataclass(frozen=True, slots=True)
class Button:
    """Under a notification. pressed : called in the event loop that showed it."""

    label: str
    pressed: Callable[[], None]


class Notifier(Protocol):
    """A way to show a few words to the wearer."""

    async def notify(self, title: str, words: str, buttons: Sequence[Button] = ()) -> None:
        """Show them, with buttons where the system has such.

        Raises nothing: what goes wrong is said once, by whoever made this notifier.
        """
        ...


class Silent:
    """Where there is no desktop: shows nothing."""

    async def notify(self, title: str, words: str, buttons: Sequence[Button] = ()) -> None:
        """Nothing."""


class Desktop:
    """The system's own notifications, through the package desktop-notifier.

    say : told once, in one sentence, when notifications do not work here; later ones are not tried again.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        from desktop_notifier import DesktopNotifier

        # The package logs a failure with its traceback and raises nothing; here it is heard, and said once.
        self._heard = _Heard()
        logger = logging.getLogger("desktop_notifier")
        logger.handlers, logger.propagate = [self._heard], False
        self._notifier = DesktopNotifier(app_name="posture monitor")
        self._say = say
        self._broken = False
        self._buttons: bool | None = None

    async def notify(self, title: str, words: str, buttons: Sequence[Button] = ()) -> None:
        """Show them; the first failure is said, and ends it."""
        if self._broken:
            return
        self._heard.why = None
        why = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._notifier.send(title, words, buttons=await self._shown(buttons))
        except TimeoutError:
            why = "the notification service does not answer"
        except Exception as error:  # whatever a desktop's service does wrong must not end a session
            why = str(error) or type(error).__name__
        why = why or self._heard.why
        if why is not None:
            self._broken = True
            self._say(f"No desktop notifications: {why}. Alerts are shown here, and the sensor buzzes.")

    async def _shown(self, buttons: Sequence[Button]) -> list[Any]:
        """The package's own, none where this system shows none."""
        from desktop_notifier import Button as Shown
        from desktop_notifier import Capability

        if self._buttons is None:
            self._buttons = Capability.BUTTONS in await self._notifier.get_capabilities()
        loop = asyncio.get_running_loop()
        # Some systems tell of a press in a thread of their own.
        pressed = [lambda b=b: loop.call_soon_threadsafe(b.pressed) for b in buttons]
        return [Shown(b.label, on_pressed=p) for b, p in zip(buttons, pressed, strict=True)] if self._buttons else []


class _Heard(logging.Handler):
    """Remembers the reason of the last warning."""

    why: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            error = record.exc_info[1] if record.exc_info else None
            self.why = " ".join(str(error or record.getMessage()).split()) or type(error).__name__


def desktop(say: Callable[[str], None]) -> Notifier:
    """Notifications of this system; where the package is missing or does not load, that is said and nothing is shown."""
    try:
        return Desktop(say)
    except ImportError:
        say("No desktop notifications: install posture-monitor[desktop]. Alerts are shown here, and the sensor buzzes.")
    except Exception as error:  # a package that finds no service may fail in its own ways
        say(
            f"No desktop notifications: {str(error) or type(error).__name__}. Alerts are shown here, and the sensor buzzes."
        )
    return Silent()


def title_of(alert: Alert) -> str:
    """The headline of an alert."""
    return TITLES[alert.kind]
