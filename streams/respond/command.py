"""``outpace respond``, and what stands under it."""

from cyclopts import App

from streams.respond import breaker_command, dead_letters
from streams.respond.run import respond

app = App(name="respond", help="Carry out revocation commands at their providers and prove that the access is gone.")
app.default(respond)
app.command(dead_letters.app)
app.command(breaker_command.app)
