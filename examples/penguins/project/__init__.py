"""Yours: the dataset and the models of this project."""
