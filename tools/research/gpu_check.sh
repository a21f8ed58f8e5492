#!/usr/bin/env bash
# Tests and measures on a GPU, within a time limit; --help says how.
set -uo pipefail

usage() {
    cat <<'HELP'
usage: tools/research/gpu_check.sh WHEELS_FOLDER [OUT_FOLDER] [--minutes N] [--rehearse]

Runs the tests marked `gpu`, then the GPU rows of tools/benchmark.py. Needs no network. Run it at the
root of the repository.

WHEELS_FOLDER  the wheels that tools/research/gpu_wheels.sh collected, or some of them. Packages that this Python
               lacks are installed from there into a temporary folder. Those it has stay as they are,
               torch and numpy above all.
OUT_FOLDER     where log.txt, table.md and the log of each row go (default: work_dirs/gpu)
--minutes N    stop after N minutes, finished or not (default: 9.5)
--rehearse     run everything on the CPU with the fewest repeats, to check that it works

PYTHON is the Python that has torch (default: python3). Each row runs in its own process with a time
limit. Whatever was measured before the limit is kept.
Exit status: 0 all tests passed and all rows were measured; 1 otherwise, or no GPU; 2 usage.
HELP
}

wheels="" out="" minutes=9.5 rehearse=""
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage; exit 0 ;;
    --rehearse) rehearse=1 ;;
    --minutes) minutes=${2:-}; shift ;;
    -*) usage >&2; exit 2 ;;
    *) if [ -z "$wheels" ]; then wheels=$1; elif [ -z "$out" ]; then out=$1; else usage >&2; exit 2; fi ;;
    esac
    shift
done
if [ -z "$wheels" ] || [[ ! $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    usage >&2
    exit 2
fi
fail() {
    echo "error: $1" >&2
    exit 1
}
[ -d "$wheels" ] || fail "there is no folder $wheels; tools/research/gpu_wheels.sh makes it"
[ -f tools/benchmark.py ] || fail "run this at the root of the repository"
python=$(command -v "${PYTHON:-python3}") || fail "there is no ${PYTHON:-python3}"
deadline=$(awk -v minutes="$minutes" 'BEGIN { printf "%d", 60 * minutes }') # in SECONDS
out=${out:-work_dirs/gpu}
mkdir -p "$out" || fail "$out can't be made"
out=$(cd "$out" && pwd)
rm -f "$out"/row_*.log "$out"/row_*.md "$out/table.md"
exec > >(tee "$out/log.txt") 2>&1

device=cuda
gpu=$("$python" -c 'import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")') ||
    fail "$python has no torch"
if [ -n "$rehearse" ]; then
    device=cpu
    export SWAHR_REHEARSE=1 CUDA_VISIBLE_DEVICES=""
    echo "A rehearsal on the CPU: its times say nothing."
elif [ -z "$gpu" ]; then
    fail "torch finds no GPU here; --rehearse runs everything on the CPU"
else
    echo "GPU: $gpu"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
left() { echo $((deadline - SECONDS)); }

# With --system-site-packages, the environment of a Python that is in one itself would not see its
# torch: this one is told the places by a file.
"$python" -m venv --without-pip "$work/venv" || fail "no virtual environment can be made"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sys; print(*(
    f"import site; site.addsitedir({place!r})" for place in sys.path if place.endswith("-packages")
), sep="\n")' >"$site/outer.pth"
"$python" - "$wheels" >"$work/missing" <<'PY' || fail "the wheels in $wheels can't be read"
import importlib.metadata, pathlib, re, sys

normal = lambda name: re.sub("[-_.]+", "-", name).lower()
there = {normal(d.metadata["Name"]) for d in importlib.metadata.distributions()}
if "opencv-python" in there:
    there.add("opencv-python-headless")
for wheel in sorted(pathlib.Path(sys.argv[1]).rglob("*.whl")):
    name = normal(wheel.name.split("-")[0])
    # setuptools from 81 on lacks pkg_resources, which MMEngine imports
    if name not in there or name == "setuptools":
        print(wheel)
PY
while read -r wheel; do
    # for another Python: its Python files are wanted, which pip would refuse
    "$python" -m zipfile -e "$wheel" "$site" || fail "$wheel can't be unpacked"
done < <(grep '/xtcocotools-' "$work/missing")
mapfile -t missing < <(grep -v '/xtcocotools-' "$work/missing")
echo "Installing ${#missing[@]} packages that this Python lacks"
if [ ${#missing[@]} -gt 0 ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --disable-pip-version-check --target "$site" "${missing[@]}" || fail "pip failed"
fi
python=$work/venv/bin/python
export PYTHONPATH="$PWD" PYTHONUNBUFFERED=1 MPLBACKEND=Agg
versions='import sys, torch, torchvision, numpy, cv2, scipy, mmcv, mmengine, mmdet, mmpose
import swahr_mmpose, mmpose.models
print("Python", sys.version.split()[0], *(
    f"{m.__name__} {m.__version__}"
    for m in (torch, torchvision, numpy, cv2, scipy, mmcv, mmengine, mmdet, mmpose, swahr_mmpose)))'
"$python" -c "$versions" || fail "a package is missing, or does not work with the others (above)"
echo "Ready after $SECONDS s"

status=0
# tests may take six tenths of the time; one that hangs is stopped alone
limit=$(($(left) * 6 / 10))
[ -n "$rehearse" ] && limit=$(left)
mapfile -t files < <(grep -rlE 'mark\.gpu|^def test.*\bdevice\b' tests --include='test_*.py' | sort)
echo "== tests, at most $limit s"
timeout --kill-after 10 "$limit" "$python" -m pytest -m gpu -W default -v -rfEs --show-capture no \
    --timeout 200 --durations 10 --tb short "${files[@]}"
code=$?
[ $code -eq 124 ] && echo "The tests were stopped after $limit s."
[ $code -eq 0 ] || status=1

# what matters most first; for each a limit in seconds, and repeats
rows=(heatmap_loss:90:15 training:150:15 decode:60:15 inference:150:2 tag_loss:40:15)
for entry in "${rows[@]}"; do
    IFS=: read -r row limit repeats <<<"$entry"
    [ -n "$rehearse" ] && repeats=1
    [ "$(left)" -lt "$limit" ] && limit=$(left)
    echo "== row $row"
    if [ "$limit" -lt 15 ]; then
        echo "No time is left for $row."
        status=1
        continue
    fi
    # stopped rows keep what they printed; finished ones write their table
    timeout --kill-after 5 "$limit" "$python" tools/benchmark.py "$row" --device "$device" \
        --repeats "$repeats" --out "$out/row_$row.md" >"$out/row_$row.log" 2>&1
    code=$?
    {
        echo "## $row"
        echo
        if [ -f "$out/row_$row.md" ]; then
            cat "$out/row_$row.md"
        else
            echo "Stopped or failed (exit status $code) after at most $limit s; measured until then:"
            echo
            grep -E '^\||^Peak memory|^A second|^[0-9]+ epochs' "$out/row_$row.log"
        fi
        echo
    } >>"$out/table.md"
    if [ $code -ne 0 ]; then
        echo "exit status $code"
        tail -15 "$out/row_$row.log"
        status=1
    fi
done
echo "== table"
cat "$out/table.md"
echo "Exit status $status after $SECONDS s; all of this is in $out"
exit $status
