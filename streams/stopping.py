"""Being told to stop."""

import asyncio
import signal


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets an event on SIGTERM and SIGINT; elsewhere than in the main thread whoever runs us sets it himself."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (ValueError, RuntimeError):
            return
