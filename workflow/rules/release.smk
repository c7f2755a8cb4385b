# In:  everything that the stages before have written
# Out: an annotated tag on a commit beside the branch, results/release.yaml, results/summary.txt


rule release:
    """Tag the release; or exit 1 with the table of what fell short."""
    input:
        verdict=paths.VERDICT,
        bundle=paths.bundle_files(project.config.name),
        pointers=[paths.pointer(project.config.name), paths.PROCESSED_POINTER],
        plots=[
            paths.PLOTS / f"{name}.csv"
            for name in paths.plot_names(project.config.data.task)
        ],
        drawn=paths.PLOTS_RECORD,
        code=code("release"),
        settings=settings("release"),
    output:
        paths.RELEASE,
        paths.SUMMARY,
    log:
        paths.RELEASE_LOG,
    retries: 0
    conda:
        "../../environment.yml"
    message:
        "Release"
    shell:
        "weighbridge release --settings {input.settings:q} &> {log:q}"
