"""What happens once in each instance, before its first request.

The snapshot froze what was made while the component was built. Seeds of `random` would be the same in every instance:
those that nobody chose are drawn anew. The seed of `str` hashes cannot be: every dictionary of the snapshot is laid out by
it. It is drawn anew for each build.
"""

import random
import weakref

_unchosen = weakref.WeakSet()
_seed = random.Random.seed
_awake = False


def _note(generator, a=None, version=2):
    """Remembers generators that were seeded from the system, and forgets those that were given a seed."""
    (_unchosen.add if a is None else _unchosen.discard)(generator)
    _seed(generator, a, version)


def watch_seeds():
    """From here on, notices how generators are seeded. Called before the application is imported."""
    random.Random.seed = _note
    random.seed = random._inst.seed
    _unchosen.add(random._inst)


def wake():
    """Makes this instance differ from all others. Does nothing the second time."""
    global _awake
    if not _awake:
        _awake = True
        random.Random.seed = _seed
        random.seed = random._inst.seed
        for generator in _unchosen:
            generator.seed()
