"""Graphs read from files: GraphML, JSON with nodes and links, or an edge list, recognised by the file name's suffix.

In every format nodes have text names, and `pos` if the file gives places. Links have `delay` (seconds) and `cost` (units of the
metric) if the file gives them. A link between nodes with latitude and longitude gets its delay from their distance otherwise.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import ParseError

import msgspec
import networkx as nx

from mycelium.errors import ConfigError
from mycelium.limits import SIM_FILE_BYTES

_EARTH_RADIUS_KM: Final = 6_371.0
_FIBRE_KM_PER_S: Final = 200_000.0
_DELAY_FLOOR_S: Final = 0.0002  # delay of the equipment between two nodes in one place
_DELAY_LEAST_S: Final = 1e-6
_DELAY_CEILING_S: Final = 60.0
_COST_CEILING: Final = (1 << 32) - 2  # all ones is infinity
_LATITUDES: Final = ("lat", "latitude", "Latitude")
_LONGITUDES: Final = ("lon", "lng", "longitude", "Longitude")

_Number = int | float
_Attributes = Mapping[str, object]


class _Document(msgspec.Struct):
    """A JSON graph: networkx writes `edges` (older versions `links`), meshnet-lab `links`."""

    nodes: list[dict[str, object]] = []
    links: list[dict[str, object]] = []
    edges: list[dict[str, object]] = []


def read_graph(path: str) -> nx.Graph:
    """Reads the graph in a file; raises ConfigError, which names the file and the line or link if there is one."""
    text = _read_text(path)
    try:
        match Path(path).suffix.lower():
            case ".graphml" | ".xml":
                return _parse_graphml(text)
            case ".json":
                return _parse_json(text)
            case _:
                return _parse_edge_list(text)
    except (ValueError, KeyError, ParseError, nx.NetworkXError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_text(path: str) -> str:
    if not path:
        raise ConfigError("file: needs a path, as in file:mesh.graphml")
    try:
        with open(path, "rb") as file:
            content = file.read(SIM_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(content) > SIM_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {SIM_FILE_BYTES >> 20} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error


def _parse_graphml(text: str) -> nx.Graph:
    source = nx.parse_graphml(text)
    graph = nx.Graph()
    for name, attributes in source.nodes(data=True):
        _add_node(graph, str(name), attributes)
    for number, (a, b, attributes) in enumerate(source.edges(data=True), 1):
        _add_link(graph, str(a), str(b), attributes, where=f"edge {number}")
    return graph


def _parse_json(text: str) -> nx.Graph:
    document = msgspec.json.decode(text, type=_Document)
    graph = nx.Graph()
    for number, attributes in enumerate(document.nodes, 1):
        name = _name(attributes, "id", where=f"node {number}")
        if name in graph:
            raise ValueError(f"node {number}: the id {name!r} is not unique")
        _add_node(graph, name, attributes)
    for number, attributes in enumerate(document.links or document.edges, 1):
        where = f"link {number}"
        a, b = _name(attributes, "source", where=where), _name(attributes, "target", where=where)
        for end in (a, b):
            if document.nodes and end not in graph:
                raise ValueError(f"{where}: {end!r} is not a node")
        _add_link(graph, a, b, attributes, where=where)
    return graph


def _parse_edge_list(text: str) -> nx.Graph:
    """Reads one link per line: two names and optionally the delay in seconds. `#` begins a comment."""
    graph = nx.Graph()
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].replace(",", " ").split()
        if not fields:
            continue
        where = f"line {number}"
        if len(fields) not in (2, 3):
            raise ValueError(f"{where}: not two names and an optional delay: {line.strip()[:60]!r}")
        attributes = {"delay": _to_number(fields[2], where=where)} if len(fields) == 3 else {}
        _add_link(graph, fields[0], fields[1], attributes, where=where)
    return graph


def _to_number(text: str, *, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r} is not a delay in seconds") from None


def _name(attributes: _Attributes, key: str, *, where: str) -> str:
    name = attributes.get(key)
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise ValueError(f"{where}: {key!r} is missing or neither a text nor an integer")
    return str(name)


def _add_node(graph: nx.Graph, name: str, attributes: _Attributes) -> None:
    graph.add_node(name)
    latitude, longitude = _first_number(attributes, _LATITUDES), _first_number(attributes, _LONGITUDES)
    x, y = _first_number(attributes, ("x",)), _first_number(attributes, ("y",))
    if latitude is not None and longitude is not None:
        graph.nodes[name].update(pos=(longitude, latitude), globe=(math.radians(latitude), math.radians(longitude)))
    elif x is not None and y is not None:
        graph.nodes[name]["pos"] = (x, y)
    else:
        _add_pair(graph, name, attributes.get("pos"))


def _add_pair(graph: nx.Graph, name: str, pair: object) -> None:
    if pair is None:
        return
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(_is_number(part) for part in pair):
        raise ValueError(f"node {name!r}: 'pos' is not a pair of numbers")
    graph.nodes[name]["pos"] = (float(pair[0]), float(pair[1]))


def _first_number(attributes: _Attributes, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, int | float) and _is_number(value):
            return float(value)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _add_link(graph: nx.Graph, a: str, b: str, attributes: _Attributes, *, where: str) -> None:
    """Adds a link; of several between the same two nodes the fastest is kept."""
    if a == b:
        raise ValueError(f"{where}: joins {a!r} to itself")
    known: dict[str, _Number] = {}
    delay = _checked(attributes, "delay", _DELAY_LEAST_S, _DELAY_CEILING_S, where=where)
    cost = _checked(attributes, "cost", 1, _COST_CEILING, where=where)
    if delay is None:
        delay = _delay_on_globe(graph, a, b)
    if delay is not None:
        known["delay"] = delay
    if cost is not None:
        known["cost"] = int(cost)
    if graph.has_edge(a, b) and graph.edges[a, b].get("delay", math.inf) <= known.get("delay", math.inf):
        return
    graph.add_edge(a, b, **known)


def _checked(attributes: _Attributes, key: str, least: float, greatest: float, *, where: str) -> _Number | None:
    value = attributes.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= greatest:
        raise ValueError(f"{where}: {key} is {value!r}, not a number between {least} and {greatest}")
    return value


def _delay_on_globe(graph: nx.Graph, a: str, b: str) -> float | None:
    """Returns the delay of a fibre along the great circle, in seconds, or None unless both ends have coordinates."""
    if not all(end in graph and "globe" in graph.nodes[end] for end in (a, b)):
        return None
    latitude_a, longitude_a = graph.nodes[a]["globe"]
    latitude_b, longitude_b = graph.nodes[b]["globe"]
    haversine = (
        math.sin((latitude_b - latitude_a) / 2) ** 2
        + math.cos(latitude_a) * math.cos(latitude_b) * math.sin((longitude_b - longitude_a) / 2) ** 2
    )
    kilometres = 2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))
    return max(_DELAY_FLOOR_S, kilometres / _FIBRE_KM_PER_S)
