# In:  data/raw.dvc, project/dataset.py
# Out: data/raw/ (where absent), results/raw.yaml, data/processed/, results/dataset.md


rule fetch:
    """Bring the raw files, and compare them with their DVC pointer."""
    input:
        code=code("fetch"),
        settings=settings("fetch"),
    output:
        paths.RAW_RECORD,
    log:
        paths.log("fetch"),
    retries: 0
    conda:
        "../../environment.yml"
    message:
        "Raw files: bring them where they are absent, compare them with their pointer"
    shell:
        "weighbridge fetch --settings {input.settings:q} &> {log:q}"


rule preprocess:
    """Check, split and profile the rows."""
    input:
        raw=paths.RAW_RECORD,
        code=code("preprocess"),
        settings=settings("preprocess"),
    output:
        [paths.split(name) for name in paths.SPLITS],
        paths.PROFILE,
        report(paths.DATASET_PAGE, category="Data", caption="../report/dataset.rst"),
    log:
        paths.log("preprocess"),
    benchmark:
        "results/benchmarks/preprocess.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4000),
        runtime=30,
    message:
        "Rows: check, split and profile"
    shell:
        "weighbridge preprocess --settings {input.settings:q} &> {log:q}"
