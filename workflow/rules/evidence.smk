# In:  models/<name>/, data/processed/test.parquet, results/baseline/
# Out: results/weighing/, models/predictions.parquet, models/metrics.yaml, results/verdict.{yaml,md,intoto.json}, results/figures/, models/plots/


rule weigh:
    """Measure the bundle on the test rows, beside the last release."""
    input:
        bundle=paths.bundle_files(project.config.name),
        package=paths.PACKAGE,
        baseline=paths.BASELINE,
        tables=[paths.split("test"), paths.split("train")],
        profile=paths.PROFILE,
        cases=project.cases(),
        code=code("weigh"),
        settings=settings("weigh"),
    output:
        paths.WEIGHING,
        paths.PREDICTIONS,
        paths.METRICS,
    log:
        paths.log("weigh"),
    benchmark:
        "results/benchmarks/weigh.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4000),
        runtime=60,
    message:
        "Weigh the bundle on test rows, beside the last release"
    shell:
        "weighbridge weigh --settings {input.settings:q} &> {log:q}"


rule judge:
    """Apply the gates and derive the version; succeeds whatever the verdict."""
    input:
        weighing=paths.WEIGHING,
        predictions=paths.PREDICTIONS,
        package=paths.PACKAGE,
        baseline=paths.BASELINE,
        table=paths.split("test"),
        profile=paths.PROFILE,
        code=code("judge"),
        settings=settings("judge"),
    output:
        paths.VERDICT,
        paths.STATEMENT,
        report(paths.VERDICT_PAGE, category="Verdict", caption="../report/verdict.rst"),
    log:
        paths.log("judge"),
    benchmark:
        "results/benchmarks/judge.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4000),
        runtime=30,
    message:
        "Judge the gates, derive the version"
    shell:
        "weighbridge judge --settings {input.settings:q} &> {log:q}"


rule draw:
    """Draw the pictures, and write the tables behind them for DVC."""
    input:
        verdict=paths.VERDICT,
        weighing=paths.WEIGHING,
        predictions=paths.PREDICTIONS,
        curves=runs("curve.csv"),
        profile=paths.PROFILE,
        code=code("draw"),
    output:
        [
            report(
                paths.FIGURES / f"{name}.png",
                category="Evidence",
                caption=f"../report/{paths.caption(name, project.config.data.task)}.rst",
            )
            for name in paths.figure_names(project.config.data.task)
        ],
        paths.PLOTS_RECORD,
        plots=[
            paths.PLOTS / f"{name}.csv"
            for name in paths.plot_names(project.config.data.task)
        ],
    log:
        paths.log("draw"),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=30,
    message:
        "Draw the pictures"
    shell:
        "weighbridge draw &> {log:q}"
