"""Whether a release is what it says, proved from Git's objects and DVC's content.

Nothing of the tree under test is executed, and nothing that it says of itself is believed. The modules, in the order
in which a release is taken apart:

=================  ==================================================================================
``steps``          what one step comes to: proved, not proved, FAILED
``subject``        the release: tag, commit and manifest, from Git's objects
``trust``          who signed, by whose word
``commits``        manifest, commit, sources, settings and ledger
``stored``         DVC's objects by SHA-256; ``contents``: bundle, data and predictions
``judgement``      gates, metrics and version, judged again from the rows
``record``         whether the manifest agrees with itself, the settings, the ledger, the bundle and the rows
``consent``        approvals
``derived``        card, statement, provenance and bill of materials, made again; the model's signature
=================  ==================================================================================
"""
