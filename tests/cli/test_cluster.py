"""Commands that work on a cluster."""

import pytest

SPAN = ["--bundle", "market-by-command", "--start", "2017-04-03", "--end", "2017-09-29"]


def test_backend_and_address_come_together(home):
    for options in (["--backend", "dask"], ["--address", "tcp://127.0.0.1:8786"]):
        assert "come together" in home.fails("train", *SPAN, "--store", home.folder / "none", *options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_train_and_evaluate_on_a_cluster_are_train_and_evaluate(home, tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    files, output = {}, {}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        for place, options in {
            "here": [],
            "there": ["--backend", "dask", "--address", cluster.scheduler_address],
        }.items():
            store = tmp_path / place
            (store).mkdir()
            (store / "store.json").write_bytes((home.store / "store.json").read_bytes())
            result = home.run("train", *SPAN, "--store", store, *options)
            assert result.exit_code == 0, result.output
            files[place] = {str(f.relative_to(store)): f.read_bytes() for f in store.rglob("*") if f.is_file()}
            evaluated = home.run(
                "evaluate", *SPAN, "--store", store, "--models", "LSTM,EWMA94", "--horizons", "5", *options
            )
            assert evaluated.exit_code == 0, evaluated.output
            output[place] = evaluated.stdout
    assert len(files["here"]) > 4
    assert files["there"] == files["here"]
    assert output["there"] == output["here"]
