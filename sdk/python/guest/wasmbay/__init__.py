"""What a plugin may ask of its host beside plain HTTP: other plugins, jobs, databases, keys, variables.

    import wasmbay

    rows = wasmbay.Database("main").query("SELECT name FROM users WHERE id = ?", 7)
    answer = await wasmbay.call_plugin("primes", "/primes/100")
    await wasmbay.enqueue("mailer", "/send", json={"to": rows[0]["name"]}, key="order-7")

Each of these is granted by a line of plugin.toml; where it is missing the error says which.
"""

from .calls import Answer, Enqueued, JobRefused, call_plugin, enqueue
from .databases import Database, Row
from .state import Store, StateError, variable

__all__ = ["Answer", "Database", "Enqueued", "JobRefused", "Row", "StateError", "Store", "call_plugin", "enqueue", "variable"]
