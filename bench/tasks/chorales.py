"""Four-part chorales of J. S. Bach as sets of sounding pitches, from the files of music21.

The package music21 (M. S. Asato Cuthbert) brings them as compressed MusicXML. They are read here
without it: it parses whole scores, for many minutes, and a step needs only the pitches that sound.
"""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

PARTS = 4
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def files():
    """The paths of music21's chorales, in the order of their names."""
    listed = metadata.files("music21") or []
    return sorted(Path(str(each.locate())) for each in listed if each.match("bach/bwv*.mxl"))


def chorales(paths):
    """The pitches of each chorale that has four parts, one list of sets per chorale."""
    scores = [score(path) for path in paths]
    return [steps(parts) for each in scores if len(parts := each.findall("part")) == PARTS]


def score(path):
    """The root element of a compressed MusicXML file."""
    with zipfile.ZipFile(path) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        name = container.find(".//{*}rootfile").get("full-path")
        return ElementTree.fromstring(archive.read(name))


def steps(parts):
    """The MIDI numbers that sound at each quarter note, a list of sets."""
    sounding = [held(part) for part in parts]
    end = max((stop for notes in sounding for _, stop, _ in notes), default=0)
    pitches = [set() for _ in range(int(np.ceil(end)))]
    for notes in sounding:
        for start, stop, pitch in notes:
            for quarter in range(int(np.ceil(start)), int(np.ceil(stop))):
                pitches[quarter].add(pitch)
    return pitches


def held(part):
    """The notes of a part: (start, stop, pitch), in quarter notes from its beginning."""
    notes, now, begun, divisions = [], 0.0, 0.0, 1.0
    for element in part.findall("measure/*"):
        divisions = float(element.findtext("divisions", divisions))
        length = float(element.findtext("duration", 0)) / divisions  # 0: a grace note
        if element.tag == "backup":
            now -= length
        elif element.tag == "forward":
            now += length
        elif element.tag == "note":
            if element.find("chord") is None:
                begun, now = now, now + length
            if (pitch := element.find("pitch")) is not None:  # otherwise a rest
                notes.append((begun, begun + length, midi(pitch)))
    return notes


def midi(pitch):
    """The MIDI number of a MusicXML pitch: 60 is the middle C."""
    alter = round(float(pitch.findtext("alter", 0)))
    return 12 * (int(pitch.findtext("octave")) + 1) + SEMITONES[pitch.findtext("step")] + alter
