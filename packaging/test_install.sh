#!/usr/bin/env bash
# Installs a finished build into a temporary directory, builds examples/ against the copy as a project of its own with
# g++ 12 and with clang 19, and runs an example of each.
#
#   packaging/test_install.sh BUILD_DIR
set -euo pipefail
build=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
echo "installed: $(find "$work/prefix" -type f | wc -l) files"

# The copy must stand alone: no header and no CMake file may point back into the tree it was built from.
if grep -rIl --include='*.h' --include='*.cmake' -F -e "$root/src" -e "$root/include" "$work/prefix"; then
    echo "these installed files name the source tree"
    exit 1
fi

cp -r "$root/examples" "$work/examples"  # elsewhere, so that nothing of the tree is found by accident
launcher=$(command -v ccache || true)

for compiler in g++-12 clang++-19; do
    consumer=$work/$compiler
    cmake -G Ninja -S "$work/examples" -B "$consumer" -DCMAKE_PREFIX_PATH="$work/prefix" -DMUSTER_WERROR=ON \
        -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -DCMAKE_BUILD_TYPE=Debug \
        >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; exit 1; }
    cmake --build "$consumer"
    "$root/packaging/run_examples.sh" "$consumer"
    echo "$compiler: examples built and run"
done
