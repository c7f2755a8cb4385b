"""Yours: the dataset and the models of this project. Here, late arrivals of New York's flights."""
