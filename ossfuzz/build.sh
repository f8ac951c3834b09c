#!/bin/bash -eu
# Builds every fuzz target of the main module for OSS-Fuzz, whose image provides
# compile_native_go_fuzzer_v2 and runs this in the repository. The target FuzzX of the package a/b
# becomes the binary a_b_FuzzX. The modules fuzz/diff and fuzz/libsecp are left out: they compare
# with other implementations, which OSS-Fuzz has as projects of their own.
#
# OSS-Fuzz splits its inputs among the arguments of a target by rules of its own, so the files below
# testdata/fuzz cannot be its seeds; they are those of go test.

module=$(go list -m)
packages=$(go list -f '{{.ImportPath}} {{.Dir}}' ./...)
while read -r -u 3 package dir; do
	name=${package#"$module"}
	name=${name#/}
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*\(f \*testing\.F\)' "$dir"/*_test.go 2>/dev/null | sed -E 's/^func (\w+).*/\1/' | sort); do
		compile_native_go_fuzzer_v2 "$package" "$target" "${name//\//_}_$target"
	done
done 3<<<"$packages"
