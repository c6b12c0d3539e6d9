"""XSLT peers: documents a second of one core, bytes in, bytes out. Usage: xslt.py libxslt|saxonc STYLESHEET FOLDER OUTPUT

Every file of FOLDER is transformed in turn; the first result goes to OUTPUT. Prints the median of several rounds.
"""
import pathlib
import statistics
import sys
import time

ROUNDS, SECONDS = 5, 1.0
engine, stylesheet, folder, output = sys.argv[1:]
documents = [path.read_bytes() for path in sorted(pathlib.Path(folder).glob("*.xml"))]


def measure(transform):
    first = transform(documents[0])
    pathlib.Path(output).write_bytes(first if isinstance(first, bytes) else first.encode())
    for document in documents:
        transform(document)
    rates = []
    for _ in range(ROUNDS):
        count, began = 0, time.process_time()
        while time.process_time() - began < SECONDS:
            for document in documents:
                transform(document)
            count += len(documents)
        rates.append(count / (time.process_time() - began))
    print(statistics.median(rates))


if engine == "libxslt":
    from lxml import etree

    compiled = etree.XSLT(etree.parse(stylesheet))
    measure(lambda document: bytes(compiled(etree.fromstring(document))))
else:
    import saxonche

    with saxonche.PySaxonProcessor(license=False) as processor:
        compiled = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=stylesheet)
        measure(lambda document: compiled.transform_to_string(xdm_node=processor.parse_xml(xml_text=document.decode())))
