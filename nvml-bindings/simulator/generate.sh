#!/bin/sh
# Turns symbols.txt into C tables, stubs and linker version scripts. Usage: generate.sh symbols.txt DIRECTORY BRANCH...
set -eu
symbols=$1 out=$2
shift 2
mkdir -p "$out"
LC_ALL=C grep -v '^#' "$symbols" | LC_ALL=C sort >"$out/symbols.sorted"
awk -v header="$out/functions_generated.h" -v tables="$out/functions_generated.c" -v stubs="$out/stubs_generated.c" '
    NF != 4 || ($3 != "implemented" && $3 != "stub") || $2 !~ /^[0-9]+$/ {
        print "symbols.txt: not name, branch, implemented or stub, group: " $0 > "/dev/stderr"; failed = 1; exit 1
    }
    { n += 0; name[n] = $1; stub[n] = 0 + ($3 == "stub"); group[n] = $4; if (!($4 in seen)) { seen[$4] = groups + 0; groupname[groups++] = $4 } n++ }
    END {
        if (failed) exit 1
        note = "/* Made by generate.sh from symbols.txt. */"
        print note "\nenum function_id {" > header
        for (i = 0; i < n; i++) print "    FN_" name[i] "," > header
        print "    FUNCTION_COUNT\n};\nenum { GROUP_COUNT = " groups " };" > header
        print note "\n#include \"sim.h\"\nconst char *const function_names[] = {" > tables
        for (i = 0; i < n; i++) print "    \"" name[i] "\"," > tables
        print "};\nconst unsigned char function_groups[] = {" > tables
        for (i = 0; i < n; i++) print "    " seen[group[i]] "," > tables
        print "};\nconst unsigned char function_is_stub[] = {" > tables
        for (i = 0; i < n; i++) print "    " stub[i] "," > tables
        print "};\nconst char *const group_names[] = {" > tables
        for (i = 0; i < groups; i++) print "    \"" groupname[i] "\"," > tables
        print "};" > tables
        print note "\n#include \"sim.h\"" > stubs
        print "#define STUB(name) nvmlReturn_t name(void) { ENTER(name); LEAVE(NVML_ERROR_NOT_SUPPORTED); }" > stubs
        for (i = 0; i < n; i++) if (stub[i]) print "STUB(" name[i] ")" > stubs
    }' "$out/symbols.sorted"
for branch; do
    awk -v branch="$branch" 'BEGIN { print "{\n  global:" } $2 <= branch { print "    " $1 ";" }
        END { print "    nvmlsim_*;\n  local: *;\n};" }' "$out/symbols.sorted" >"$out/exports-$branch.map"
done
