"""Does something to a module as soon as it has been imported, and nothing if it never is."""

import sys
from importlib import abc

from .clients import CLIENTS


class Finish(abc.Loader):
    """A module's own loader, and what is done after it."""

    def __init__(self, loader, then):
        self.loader, self.then = loader, then

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        module.__spec__.loader = module.__loader__ = self.loader
        self.then(module)


class Watch(abc.MetaPathFinder):
    """Finds what is watched for by all other finders."""

    def find_spec(self, name, path=None, target=None):
        if name not in CLIENTS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = Finish(spec.loader, CLIENTS[name])
                return spec
        return None


def install():
    """Watches from here on. Before the application is imported."""
    sys.meta_path.insert(0, Watch())
