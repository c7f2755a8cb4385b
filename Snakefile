"""From raw data to a tagged release: ``snakemake --cores all``.

Settings come from config/; stop earlier by naming a target: preprocess, evaluate, package, judge.
"""

from snakemake.utils import min_version

min_version("9.20")


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    evaluate,
    fetch,
    release,


rule all:
    default_target: True
    input:
        paths.RELEASE,
        paths.SEARCH if project.config.search else [],


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/release.smk"


if project.config.search:

    include: "workflow/rules/search.smk"


# Rules of the project's own, which config/ names.
for file in custom_rules:

    include: file


onstart:
    _pipeline.begin()


onsuccess:
    _pipeline.succeed()


onerror:
    _pipeline.fail(log)
