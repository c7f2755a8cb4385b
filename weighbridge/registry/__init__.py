"""Git and DVC: releases as tags on commits beside the branch, the ledger of runs, content by address."""
