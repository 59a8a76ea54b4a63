"""What `importlib.metadata` says of packages, kept while the component is built: later there are no files to read it from."""

import importlib.metadata
import re
import sys

#: What a package's folder of metadata may hold. Not RECORD: the files that it lists are not there.
FILES = ("METADATA", "WHEEL", "INSTALLER", "entry_points.txt", "top_level.txt")


class Kept(importlib.metadata.Distribution):
    """A package by its metadata alone."""

    def __init__(self, texts):
        self._texts = texts

    def read_text(self, filename):
        return self._texts.get(filename)

    def locate_file(self, path):
        raise FileNotFoundError(f"{path}: a component has no files of packages")


class Distributions:
    """Finds the packages that were there while the component was built."""

    def __init__(self, kept):
        self._kept = kept

    @staticmethod
    def find_spec(name, path=None, target=None):
        """It finds no modules."""

    def find_distributions(self, context):
        """Those of a name, or all. Who names folders to look in asks for files."""
        if "path" in vars(context):
            return []
        if context.name is None:
            return list(self._kept.values())
        return [kept for name, kept in self._kept.items() if name == _normal(context.name)]


def keep():
    """Keeps what is known now, and answers with it from here on."""
    kept = {}
    for found in importlib.metadata.distributions():
        texts = {file: text for file in FILES if (text := found.read_text(file)) is not None}
        # The first one on the path is the one that is imported.
        kept.setdefault(_normal(found.name), Kept(texts))
    sys.meta_path.append(Distributions(kept))


def _normal(name):
    """A package's name as all spellings of it have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
