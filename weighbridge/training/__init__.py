"""Models: built by import path, fitted, saved without pickle, exported to one ONNX graph."""
