"""Weighbridge: no weights leave without crossing the bridge.

The engine behind the pipeline, in the order in which a model meets it:

==================  ==============================================================================
``settings``        what the configuration may say, and every default
``plan``            reads the configuration; tells each stage its settings and its source files
``stages``          fetch, preprocess, train, evaluate, package, weigh, judge, draw, release
``data``            the rows: schema with what is known when, split, profile
``training``        models by import path: fit, save without pickle, export to one ONNX graph
``evidence``        metrics with intervals, serving costs, gates, derived version, pictures, card
``registry``        Git and DVC: tags, release commits beside the branch, content, ledger of runs
``views``           what people ask: check, log, show, diff
``manifest``        the record of it all; ``formats`` writes it as JSON Schema and protobuf
==================  ==============================================================================

Below them lie ``documents`` (strict YAML), ``digest``, ``paths``, ``machine`` and ``errors``. Imports go
downwards only. The engine never imports ``project/`` but by the names in the configuration.
"""

__version__ = "0.1.0"
