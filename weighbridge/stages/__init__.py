"""The stages of the pipeline, one module each: read declared inputs, write declared outputs and a record."""
