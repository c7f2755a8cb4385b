# In:  data/processed/, project/models.py
# Out: results/runs/<candidate>/<seed>/ (weights, learning curve, record, validation metrics), models/<name>/


rule train:
    """Train one candidate with one seed."""
    input:
        tables=[paths.split("train"), paths.split("validation"), paths.PROFILE],
        lock=lock,
        code=code("train"),
        settings=settings("train"),
    output:
        "results/runs/{candidate}/{seed}/run.yaml",
        "results/runs/{candidate}/{seed}/curve.csv",
        "results/runs/{candidate}/{seed}/preprocessing.skops",
    log:
        paths.log("train", "{candidate}", "{seed}"),
    benchmark:
        "results/benchmarks/train-{candidate}-{seed}.jsonl"
    wildcard_constraints:
        candidate=f"(?!(?:{on_nodes})/)[a-z0-9][a-z0-9_-]*",
    conda:
        "../../environment.yml"
    threads: threads
    resources:
        mem_mb=node_memory,
        runtime=240,
        gpu=gpus,
        nodes=1,
        slurm_extra=time_to_save,
    message:
        "Train {wildcards.candidate}, seed {wildcards.seed}"
    # exec: a shell in between would end at a signal, and Snakemake with it, while the training saves its state.
    shell:
        "exec weighbridge train --settings {input.settings:q}"
        " --candidate {wildcards.candidate:q} --seed {wildcards.seed:q} &> {log:q}"


if on_nodes:

    # Snakemake starts such a job once; the stage itself starts a process on each of its nodes.
    use rule train as train_on_nodes with:
        wildcard_constraints:
            candidate=on_nodes,
        resources:
            mem_mb=node_memory,
            runtime=240,
            gpu=gpus,
            slurm_extra=time_to_save,
            nodes=nodes,
            tasks=nodes,
            cpus_per_task=node_threads,
            mpi="srun",


rule evaluate_run:
    """Measure one run on the validation rows."""
    input:
        run="results/runs/{candidate}/{seed}/run.yaml",
        table=[paths.split("validation"), paths.PROFILE],
        code=code("evaluate"),
        settings=settings("evaluate"),
    output:
        "results/runs/{candidate}/{seed}/validation.yaml",
        "results/runs/{candidate}/{seed}/validation.parquet",
    log:
        paths.log("evaluate", "{candidate}", "{seed}"),
    conda:
        "../../environment.yml"
    threads: project.config.threads
    resources:
        mem_mb=memory(4000),
        runtime=30,
    message:
        "Evaluate {wildcards.candidate}, seed {wildcards.seed}, on validation rows"
    shell:
        "weighbridge evaluate --settings {input.settings:q}"
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
        settings=settings("package"),
    output:
        paths.bundle_files(project.config.name),
        paths.pointer(project.config.name),
        paths.PROCESSED_POINTER,
        paths.CHAMPION,
        paths.PACKAGE,
        directory(paths.BASELINE),
    log:
        paths.log("package"),
    benchmark:
        "results/benchmarks/package.jsonl"
    conda:
        "../../environment.yml"
    threads: project.config.threads
    resources:
        mem_mb=memory(4000),
        runtime=60,
    message:
        "Choose the champion and package it as ONNX"
    shell:
        "weighbridge package --settings {input.settings:q} &> {log:q}"
