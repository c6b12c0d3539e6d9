"""Mutates valid documents at random and asks libxml2 (lxml) for its verdict on each.

mutate.py JOBS OUT SEED COUNT: JOBS is a JSON list of {"name", "schema", "instance"}; writes OUT/<n>.xml and
OUT/verdicts.jsonl with {"file", "name", "kind", "valid", "why"}.
"""

import copy
import json
import pathlib
import random
import sys

from lxml import etree

jobs, out, seed, count = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
schemas = {}


def elements(tree):
    return [node for node in tree.iter() if isinstance(node.tag, str)]


def leaves(tree):
    return [node for node in elements(tree) if len(node) == 0]


def drop(tree, chance):
    nodes = elements(tree)[1:]
    if nodes:
        node = chance.choice(nodes)
        node.getparent().remove(node)


def reorder(tree, chance):
    parents = [node for node in elements(tree) if len([child for child in node if isinstance(child.tag, str)]) > 1]
    if parents:
        parent = chance.choice(parents)
        children = [child for child in parent if isinstance(child.tag, str)]
        child = chance.choice(children)
        parent.remove(child)
        parent.insert(chance.randrange(len(parent) + 1), child)


def wrong_value(tree, chance):
    nodes = leaves(tree)
    if nodes:
        value = chance.choice(["x-wrong", "", "2026-13-45", "1,5", "-7", "1e3", "true", "a" * 300])
        chance.choice(nodes).text = value


def unknown_element(tree, chance):
    parent = chance.choice(elements(tree))
    name = etree.QName(parent).namespace
    child = etree.Element(f"{{{name}}}Unknown" if name and chance.random() < 0.7 else "Unknown")
    parent.insert(chance.randrange(len(parent) + 1), child)


def extra_attribute(tree, chance):
    chance.choice(elements(tree)).set(chance.choice(["unknown", "{urn:example:other}a"]), "1")


def double(tree, chance):
    nodes = elements(tree)[1:]
    if nodes:
        node = chance.choice(nodes)
        node.addnext(copy.deepcopy(node))


def drop_attribute(tree, chance):
    nodes = [node for node in elements(tree) if node.attrib]
    if nodes:
        node = chance.choice(nodes)
        del node.attrib[chance.choice(list(node.attrib))]


def wrong_attribute(tree, chance):
    nodes = [node for node in elements(tree) if node.attrib]
    if nodes:
        node = chance.choice(nodes)
        node.set(chance.choice(list(node.attrib)), chance.choice(["", "x wrong", "-1", "2026-13-45"]))


KINDS = [drop, reorder, wrong_value, unknown_element, extra_attribute, double, drop_attribute, wrong_attribute]

chance = random.Random(seed)
with open(out / "verdicts.jsonl", "w") as verdicts:
    number = 0
    for job in jobs:
        if job["schema"] not in schemas:
            schemas[job["schema"]] = etree.XMLSchema(etree.parse(job["schema"]))
        schema, original = schemas[job["schema"]], etree.parse(job["instance"])
        for nth in range(count):
            tree, kind = copy.deepcopy(original), KINDS[nth % len(KINDS)]
            kind(tree, chance)
            # What was changed is judged as it reads, not as the tree was built.
            data = etree.tostring(tree, encoding="UTF-8", xml_declaration=True)
            valid = schema.validate(etree.fromstring(data))
            why = "" if valid else str(schema.error_log[0])
            (out / f"{number}.xml").write_bytes(data)
            verdict = {"file": f"{number}.xml", "name": job["name"], "kind": kind.__name__, "valid": valid, "why": why}
            verdicts.write(json.dumps(verdict) + "\n")
            number += 1
