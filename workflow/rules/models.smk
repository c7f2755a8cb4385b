# In:  data/processed/, project/models.py
# Out: results/runs/<candidate>/<seed>/ (weights, learning curve, record, validation metrics), models/<name>/


rule train:
    """Train one candidate with one seed."""
    input:
        tables=[paths.split("train"), paths.split("validation"), paths.PROFILE],
        lock=paths.LOCK,
        code=code("train"),
    output:
        "results/runs/{candidate}/{seed}/run.yaml",
        "results/runs/{candidate}/{seed}/curve.csv",
        "results/runs/{candidate}/{seed}/preprocessing.skops",
    log:
        "logs/train/{candidate}-{seed}.log",
    benchmark:
        "results/benchmarks/train-{candidate}-{seed}.jsonl"
    conda:
        "../../environment.yml"
    threads: project.config.threads
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=settings("train"),
    message:
        "Train {wildcards.candidate}, seed {wildcards.seed}"
    shell:
        "weighbridge train --settings {params.settings:q}"
        " --candidate {wildcards.candidate:q} --seed {wildcards.seed:q} &> {log:q}"


rule evaluate_run:
    """Measure one run on the validation rows."""
    input:
        run="results/runs/{candidate}/{seed}/run.yaml",
        table=[paths.split("validation"), paths.PROFILE],
        code=code("evaluate"),
    output:
        "results/runs/{candidate}/{seed}/validation.yaml",
        "results/runs/{candidate}/{seed}/validation.parquet",
    log:
        "logs/evaluate/{candidate}-{seed}.log",
    conda:
        "../../environment.yml"
    threads: project.config.threads
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=settings("evaluate"),
    message:
        "Evaluate {wildcards.candidate}, seed {wildcards.seed}, on validation rows"
    shell:
        "weighbridge evaluate --settings {params.settings:q}"
        " --candidate {wildcards.candidate:q} --seed {wildcards.seed:q} &> {log:q}"


rule evaluate:
    """A target: all runs, measured."""
    input:
        runs("validation.yaml"),


rule package:
    """Choose the champion and make the bundle that ships."""
    input:
        runs("validation.yaml"),
        runs("run.yaml"),
        paths.split("validation"),
        paths.PROFILE,
        code=code("package"),
    output:
        paths.bundle_files(project.config.name),
        paths.pointer(project.config.name),
        paths.PROCESSED_POINTER,
        paths.CHAMPION,
        paths.PACKAGE,
        directory(paths.BASELINE),
    log:
        "logs/package.log",
    benchmark:
        "results/benchmarks/package.jsonl"
    conda:
        "../../environment.yml"
    threads: project.config.threads
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings("package"),
    message:
        "Choose the champion and package it as ONNX"
    shell:
        "weighbridge package --settings {params.settings:q} &> {log:q}"
