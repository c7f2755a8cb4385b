# In:  results/package.yaml, results/runs/ of the points searched
# Out: results/search.csv, results/search.md, results/figures/search.png


rule search:
    """Compare the points of a search: a table, and a picture of each parameter."""
    input:
        package=paths.PACKAGE,
        runs=runs("run.yaml"),
        code=code("search"),
        settings=settings("search"),
    output:
        report(
            paths.SEARCH_TABLE, category="Search", caption="../report/search_table.rst"
        ),
        report(
            paths.SEARCH_PAGE, category="Search", caption="../report/search_page.rst"
        ),
        report(paths.SEARCH_PICTURE, category="Search", caption="../report/search.rst"),
    log:
        paths.log("search"),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=30,
    message:
        "Compare the points of the search"
    shell:
        "weighbridge search --settings {input.settings:q} &> {log:q}"
