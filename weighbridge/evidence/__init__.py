"""What is known about a model: metrics with intervals, serving costs, gates, the derived version, the papers."""
