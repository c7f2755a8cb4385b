# In:  data/raw.dvc, project/dataset.py
# Out: data/raw/ (where absent), results/raw.yaml, data/processed/, results/dataset.md


rule fetch:
    """Bring the raw files, and compare them with their DVC pointer."""
    input:
        code=code("fetch"),
    output:
        paths.RAW_RECORD,
    log:
        "logs/fetch.log",
    params:
        settings=settings("fetch"),
    conda:
        "../../environment.yml"
    shell:
        "weighbridge fetch --settings {params.settings:q} &> {log:q}"


rule preprocess:
    """Check, split and profile the rows."""
    input:
        raw=paths.RAW_RECORD,
        code=code("preprocess"),
    output:
        [paths.split(name) for name in paths.SPLITS],
        paths.PROFILE,
        report(paths.DATASET_PAGE, category="Data", caption="../report/dataset.rst"),
    log:
        "logs/preprocess.log",
    benchmark:
        "results/benchmarks/preprocess.jsonl"
    params:
        settings=settings("preprocess"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        "../../environment.yml"
    shell:
        "weighbridge preprocess --settings {params.settings:q} &> {log:q}"
