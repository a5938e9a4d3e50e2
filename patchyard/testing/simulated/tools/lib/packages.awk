# The packages of a simulated machine: what is installed, what the archives have, what would change.
#
# Read first: the catalogue (one line for each version of a package, newest version first), then
# what is installed. Set with -v: mode, and what that mode asks for.

BEGIN {
  FS = OFS = "\t"
  for (i = 32; i < 127; i++) code[sprintf("%c", i)] = i
  suite["main"] = "bookworm"; suite["security"] = "bookworm-security"; suite["updates"] = "bookworm-updates"
  folder["main"] = folder["updates"] = "debian"; folder["security"] = "debian-security"
}

FNR == 1 { file++ }

file == 1 {
  if (!($1 in known)) { known[$1] = 1; names[++named] = $1; architecture[$1] = $2; same[$1] = $8 }
  versions[$1] = versions[$1] (versions[$1] == "" ? "" : "\t") $3
  if (++count[$1] == 1) newest[$1] = $3
  key = $1 SUBSEP $3
  archives[key] = $4; source[key] = $5; unpacked[key] = $6; size[key] = $7
  provides[key] = $10; before[key] = $11; depends[key] = $12; breaks[key] = $13; conflicts[key] = $14
  next
}

# name, version, status, mark, hold
{ order[++lines] = $1; installed[$1] = $2; status[$1] = $3; mark[$1] = $4; held[$1] = $5 }

END {
  if (mode == "query") query()
  else if (mode == "policy") policy()
  else if (mode == "show") show()
  else if (mode == "madison") madison()
  else if (mode == "marks") marks()
  else if (mode == "list") list_upgradable()
  else if (mode == "change") change()
  else { print "unknown mode " mode > "/dev/stderr"; failed = 97 }
  exit failed
}

# --- versions, compared as dpkg does ------------------------------------------------------------

function weight(c) {
  if (c == "~") return -1
  if (c == "" || c ~ /[0-9]/) return 0
  return c ~ /[A-Za-z]/ ? code[c] : code[c] + 256
}

function compare_part(a, b,    x, y) {
  while (a != "" || b != "") {
    while ((a != "" && a !~ /^[0-9]/) || (b != "" && b !~ /^[0-9]/)) {
      x = weight(substr(a, 1, 1)); y = weight(substr(b, 1, 1))
      if (x != y) return x - y
      a = substr(a, 2); b = substr(b, 2)
    }
    sub(/^0+/, "", a); sub(/^0+/, "", b)
    match(a, /^[0-9]*/); x = substr(a, 1, RLENGTH); a = substr(a, RLENGTH + 1)
    match(b, /^[0-9]*/); y = substr(b, 1, RLENGTH); b = substr(b, RLENGTH + 1)
    if (length(x) != length(y)) return length(x) - length(y)
    if (x "" != y "") return x "" < y "" ? -1 : 1
  }
  return 0
}

function epoch(v) { return v ~ /^[0-9]+:/ ? substr(v, 1, index(v, ":") - 1) + 0 : 0 }
function revision(v) { return match(v, /-[^-]*$/) ? substr(v, RSTART + 1) : "" }
function upstream(v) { sub(/^[0-9]+:/, "", v); sub(/-[^-]*$/, "", v); return v }

function compare(a, b,    d) {
  if (a == b) return 0
  d = epoch(a) - epoch(b)
  if (!d) d = compare_part(upstream(a), upstream(b))
  return d ? d : compare_part(revision(a), revision(b))
}

function fulfils(version, operator, wanted,    d) {
  if (operator == "") return 1
  d = compare(version, wanted)
  if (operator == ">=") return d >= 0
  if (operator == ">>") return d > 0
  if (operator == "<=") return d <= 0
  if (operator == "<<") return d < 0
  return d == 0
}

# --- what is asked ------------------------------------------------------------------------------

# A source is NAME, or NAME (VERSION) where its version is another than the package's.
function origin(text) { sub(/ .*/, "", text); return text }
function version_in(text) { sub(/^[^(]*\(/, "", text); sub(/\).*/, "", text); return text }

function bare(name) { sub(/:.*/, "", name); return name }

function field(n, x,    k) {
  k = n SUBSEP installed[n]
  if (x == "Package") return n
  if (x == "Architecture") return architecture[n]
  if (x == "Version") return installed[n]
  if (x == "db:Status-Abbrev") return status[n]
  if (x == "db:Status-Status") return substr(status[n], 2, 1) == "i" ? "installed" : "unpacked"
  if (x == "binary:Package") return same[n] == "same" ? n ":" architecture[n] : n
  if (x == "source:Package") return source[k] == "" ? n : origin(source[k])
  if (x == "source:Version") return source[k] ~ /\(/ ? version_in(source[k]) : installed[n]
  if (x == "Provides") return provides[k]
  if (x == "Pre-Depends") return before[k]
  if (x == "Depends") return depends[k]
  if (x == "Breaks") return breaks[k]
  if (x == "Conflicts") return conflicts[k]
  print "simulated machine: not told of the field " x > "/dev/stderr"
  failed = 97
  return ""
}

# format: the fields with a text before each, as PART <0x1f> FIELD <0x1f> PART ...
function query(    i, j, parts, n, line, wanted, asked, m) {
  n = split(format, parts, "\037")
  asked = split(wants, wanted, " ")
  if (!asked) { for (i = 1; i <= lines; i++) wanted[i] = order[i]; asked = lines }
  for (m = 1; m <= asked; m++) {
    i = bare(wanted[m])
    if (!(i in installed)) {
      print "dpkg-query: no packages found matching " wanted[m] > "/dev/stderr"
      if (!failed) failed = 1
      continue
    }
    line = ""
    for (j = 1; j <= n; j++) line = line (j % 2 ? parts[j] : field(i, parts[j]))
    printf "%s", line
  }
}

function offered(k,    list, n, i, out) {
  n = split(archives[k], list, ",")
  # apt names the security archive before the main one.
  for (i = n; i >= 1; i--)
    out = out "        500 http://archive.invalid/" folder[list[i]] " " suite[list[i]] "/main amd64 Packages\n"
  return out
}

function policy(    wanted, asked, i, n, list, m, j, v) {
  asked = split(wants, wanted, " ")
  for (i = 1; i <= asked; i++) {
    n = bare(wanted[i])
    if (!(n in known)) { print "N: Unable to locate package " wanted[i] > "/dev/stderr"; continue }
    print n ":"
    print "  Installed: " (n in installed ? installed[n] : "(none)")
    print "  Candidate: " newest[n]
    print "  Version table:"
    m = split(versions[n], list, "\t")
    for (j = 1; j <= m; j++) {
      v = list[j]
      print ((n in installed) && installed[n] == v ? " *** " : "     ") v " 500"
      printf "%s", offered(n SUBSEP v)
      if ((n in installed) && installed[n] == v) print "        100 /var/lib/dpkg/status"
    }
  }
}

function entry(label, value) { if (value != "") print label ": " value }

function show(    wanted, asked, i, parts, n, v, k) {
  asked = split(wants, wanted, " ")
  for (i = 1; i <= asked; i++) {
    split(wanted[i], parts, "=")
    n = bare(parts[1]); v = parts[2] == "" ? newest[n] : parts[2]; k = n SUBSEP v
    if (!(k in archives)) { print "E: No packages found" > "/dev/stderr"; failed = 100; continue }
    entry("Package", n); entry("Source", source[k]); entry("Version", v)
    entry("Installed-Size", unpacked[k]); entry("Architecture", architecture[n])
    entry("Provides", provides[k]); entry("Pre-Depends", before[k]); entry("Depends", depends[k])
    entry("Breaks", breaks[k]); entry("Conflicts", conflicts[k]); entry("Multi-Arch", same[n])
    entry("Size", size[k]); print ""
  }
}

function madison(    wanted, asked, i, n, list, m, j, a, p, q) {
  asked = split(wants, wanted, " ")
  for (i = 1; i <= asked; i++) {
    n = bare(wanted[i]); m = split(versions[n], list, "\t")
    for (j = 1; j <= m; j++) {
      q = split(archives[n SUBSEP list[j]], a, ",")
      for (p = q; p >= 1; p--)
        printf "%10s | %10s | http://archive.invalid/%s %s/main amd64 Packages\n", n, list[j], folder[a[p]], suite[a[p]]
    }
  }
}

function marks(    i) {
  for (i = 1; i <= lines; i++)
    if (what == "hold" ? held[order[i]] : mark[order[i]] == what) print order[i]
}

function list_upgradable(    i, n, a) {
  print "Listing..."
  for (i = 1; i <= lines; i++) {
    n = order[i]
    if (installed[n] == newest[n]) continue
    split(archives[n SUBSEP newest[n]], a, ",")
    print n "/" suite[a[1]] " " newest[n] " " architecture[n] " [upgradable from: " installed[n] "]"
  }
}

# --- what would change --------------------------------------------------------------------------

function version_of(n) { return n in want ? want[n] : (n in gone) || !(n in installed) ? "" : installed[n] }

function provided(name,    i, v) {
  for (i = 1; i <= lines; i++) {
    v = version_of(order[i])
    if (v != "" && provides[order[i] SUBSEP v] ~ ("(^|[ ,])" escaped(name) "([ ,(]|$)")) return 1
  }
  return 0
}

function escaped(text) { gsub(/[.+]/, "[&]", text); return text }

# One alternative of a dependency: sets dep_name, dep_operator, dep_version.
function read_alternative(text,    rest) {
  sub(/^ +/, "", text); sub(/ +$/, "", text)
  dep_name = text; dep_operator = dep_version = ""
  if (match(text, / *\(/)) {
    dep_name = substr(text, 1, RSTART - 1)
    rest = substr(text, RSTART + RLENGTH); sub(/\).*/, "", rest)
    match(rest, /^[<>=]+/); dep_operator = substr(rest, 1, RLENGTH)
    dep_version = substr(rest, RLENGTH + 1); sub(/^ +/, "", dep_version)
  }
  sub(/:.*/, "", dep_name)
}

function met(    v) {
  # What no archive of this machine has was there when it was made: it is taken as met.
  if (!(dep_name in known)) return 1
  v = version_of(dep_name)
  if (v != "") return fulfils(v, dep_operator, dep_version)
  return dep_operator == "" && provided(dep_name)
}

function add(n, by) {
  if (n in want) return 0
  if (held[n] && !allow_held) { trouble[by] = n; return 0 }
  want[n] = newest[n]; reason[n] = by
  return 1
}

# Brings along what one wanted package needs. Returns whether something was added.
function pull(n,    clauses, m, i, choices, c, j, found, help, added) {
  m = split(before[n SUBSEP want[n]] "," depends[n SUBSEP want[n]], clauses, ",")
  for (i = 1; i <= m; i++) {
    if (clauses[i] ~ /^ *$/) continue
    c = split(clauses[i], choices, "|"); found = 0; help = ""
    for (j = 1; j <= c && !found; j++) {
      read_alternative(choices[j])
      if (met()) found = 1
      else if (help == "" && !(dep_name in gone) && fulfils(newest[dep_name], dep_operator, dep_version)) help = dep_name
    }
    if (found) continue
    if (help == "" || (help in want) || fixed && (help in installed) && (help in pinned)) unmet[n] = clauses[i]
    else if (add(help, n)) added = 1
  }
  return added
}

# Brings along what breaks beside the wanted packages: strict dependencies on what they were.
function follow(n,    i, q, clauses, m, j, v, added) {
  for (i = 1; i <= lines; i++) {
    q = order[i]
    if ((q in want) || (q in gone)) continue
    v = depends[q SUBSEP installed[q]]
    if (index(v, n) == 0) continue
    m = split(v, clauses, ",")
    for (j = 1; j <= m; j++) {
      if (clauses[j] ~ /\|/) continue
      read_alternative(clauses[j])
      if (dep_name == n && !met()) {
        if (installed[q] == newest[q]) unmet[q] = clauses[j]
        else if (add(q, n)) added = 1
      }
    }
  }
  m = split(breaks[n SUBSEP want[n]], clauses, ",")
  for (j = 1; j <= m; j++) {
    read_alternative(clauses[j])
    if (dep_name == n || !(dep_name in known) || (dep_name in want)) continue
    v = version_of(dep_name)
    if (v != "" && fulfils(v, dep_operator, dep_version) && add(dep_name, n)) added = 1
  }
  return added
}

function settle(    n, again, done) {
  do {
    again = 0
    for (n in want) {
      if ((n, want[n]) in done) continue
      done[n, want[n]] = 1; again = 1
      pull(n); follow(n)
    }
  } while (again)
}

# Everything newer than what is installed; what needs new packages only where that is allowed.
function upgrade_all(    i, n, k, pulled) {
  for (i = 1; i <= lines; i++) {
    n = order[i]
    if (installed[n] == newest[n]) continue
    delete want; delete trouble; delete unmet; delete reason
    want[n] = newest[n]; settle()
    pulled = held[n]
    for (k in trouble) pulled = 1
    for (k in unmet) pulled = 1
    for (k in want) if (!(k in installed) && !with_new) pulled = 1
    if (pulled) { kept[n] = 1; continue }
    for (k in want) chosen[k] = want[k]
  }
  delete want; delete trouble; delete unmet
  for (k in chosen) want[k] = chosen[k]
}

# wants: name[:arch][=version] or name- or NAME|VERSION of an archive file, one a word.
function ask(    wanted, asked, i, w, n, v) {
  asked = split(wants, wanted, " ")
  for (i = 1; i <= asked; i++) {
    w = wanted[i]; v = ""
    if (w ~ /-$/) {
      n = bare(substr(w, 1, length(w) - 1))
      if (n in installed) gone[n] = 1
      else print "Package '" n "' is not installed, so not removed"
      continue
    }
    if (match(w, /\|/)) { n = substr(w, 1, RSTART - 1); v = substr(w, RSTART + 1) }
    else if (match(w, /=/)) { n = substr(w, 1, RSTART - 1); v = substr(w, RSTART + 1) }
    else n = w
    n = bare(n)
    if (!(n in known)) { errors = errors "E: Unable to locate package " n "\n"; continue }
    if (v == "") v = newest[n]
    if (!((n SUBSEP v) in archives)) { errors = errors "E: Version '" v "' for '" n "' was not found\n"; continue }
    if ((n in installed) && installed[n] == v) { print n " is already the newest version (" v ")."; manual[n] = 1; continue }
    want[n] = v; pinned[n] = 1
  }
  for (n in want) if (held[n] && !allow_held) changed_held = changed_held " " n
}

function sorted(set, out,    n, k, i, j, t) {
  for (k in set) out[++n] = k
  for (i = 2; i <= n; i++) for (j = i; j > 1 && out[j - 1] > out[j]; j--) { t = out[j]; out[j] = out[j - 1]; out[j - 1] = t }
  return n
}

function section(title, set, kind,    out, n, i, line) {
  n = sorted(set, out)
  if (!n) return 0
  print title
  for (i = 1; i <= n; i++) {
    if (!verbose) { line = line " " out[i] (kind == "gone" && purge ? "*" : ""); continue }
    if (kind == "change") print "   " out[i] " (" installed[out[i]] " => " set[out[i]] ")"
    else if (kind == "gone") print "   " out[i] (purge ? "*" : "") " (" installed[out[i]] ")"
    else print "   " out[i] " (" set[out[i]] ")"
  }
  if (!verbose) print " " line
  return n
}

function tell(    n, up, down, new, k, kb, bytes, left, i, extra) {
  for (n in want) {
    k = n SUBSEP want[n]; bytes += size[k]; kb += unpacked[k]
    if (!(n in installed)) { new[n] = want[n]; continue }
    kb -= unpacked[n SUBSEP installed[n]]
    if (compare(want[n], installed[n]) > 0) up[n] = want[n]; else down[n] = want[n]
  }
  for (n in want) if (!upgrading && !(n in pinned) && !(n in installed)) extra[n] = want[n]
  for (n in kept) if (!(n in want)) left_back[n] = newest[n]
  section("The following packages have been kept back:", left_back, "change")
  section("The following additional packages will be installed:", extra, "new")
  news = section("The following NEW packages will be installed:", new, "new")
  removals = section("The following packages will be REMOVED:", gone, "gone")
  if (changed_held != "") {
    print "The following held packages will be changed:"
    i = split(substr(changed_held, 2), kb_names, " ")
    for (k = 1; k <= i; k++) print "   " kb_names[k] " (" installed[kb_names[k]] " => " want[kb_names[k]] ")"
  }
  ups = section("The following packages will be upgraded:", up, "change")
  downs = section("The following packages will be DOWNGRADED:", down, "change")
  for (i = 1; i <= lines; i++) {
    n = order[i]
    if (installed[n] != newest[n] && !(n in want) && !(n in gone)) left++
  }
  print ups + 0 " upgraded, " news + 0 " newly installed, " (downs ? downs " downgraded, " : "") removals + 0 " to remove and " left + 0 " not upgraded."
  print "Need to get " int(bytes / 1000) " kB of archives."
  print "After this operation, " int(kb) " kB of additional disk space will be used."
}

# What lies in the cache is not fetched again.
function uris(    out, n, i, a, v, file) {
  n = sorted(want, out)
  for (i = 1; i <= n; i++) {
    v = want[out[i]]; split(archives[out[i] SUBSEP v], a, ",")
    file = v; gsub(/:/, "%3a", file)
    file = out[i] "_" file "_" architecture[out[i]] ".deb"
    if (cached(file)) continue
    print "'http://archive.invalid/" folder[a[1]] "/pool/" out[i] "_" v ".deb' " file " " size[out[i] SUBSEP v]
  }
}

function cached(file,    line, got) {
  file = cache "/" file
  got = (getline line < file)
  close(file)
  return got > 0
}

function fail(text) { print text > "/dev/stderr"; failed = 100 }

function broken(    i, n) {
  for (i = 1; i <= lines; i++) if (status[order[i]] != "ii ") n++
  return n
}

function change(    k, n) {
  print "Reading package lists...\nBuilding dependency tree...\nReading state information..."
  if (what == "fix") { act_on_nothing(); return }
  if (what == "direct") { ask(); apply(); return }
  if (what == "install") { fixed = 1; ask(); if (errors == "") settle() }
  else { upgrading = 1; print "Calculating upgrade..."; upgrade_all() }
  if (errors != "") { sub(/\n$/, "", errors); fail(errors); return }
  for (n in unmet) k = k "\n " n " : Depends:" (unmet[n] ~ /^ / ? "" : " ") unmet[n]
  for (n in trouble) k = k "\n " n " : Depends: " trouble[n] " but it is held"
  if (k != "") {
    print "The following packages have unmet dependencies:" k
    fail("E: Unable to correct problems, you have held broken packages."); return
  }
  tell()
  if (changed_held != "") { fail("E: Held packages were changed and -y was used without --allow-change-held-packages."); return }
  if (removals && no_remove) { fail("E: Packages need to be removed but remove is disabled."); return }
  if (downs && !downgrades) { fail("E: Packages were downgraded and -y was used without --allow-downgrades."); return }
  if (dry) uris()
  else if (!simulate) apply()
}

function act_on_nothing() { print "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded." }

# --- changing it --------------------------------------------------------------------------------

function step(name, percent, text) {
  if (progress == "") return
  printf "pmstatus:%s:%.4f:%s\n", name, percent, text > progress
  fflush(progress)
}

# Writes what is installed afterwards to `out`, and what was touched to `touched`: name, new version.
function apply(    list, n, i, name, old, total, done, m) {
  n = sorted(want, list); total = 2 * n
  step("dpkg-exec", 0, "Running dpkg")
  for (i = 1; i <= n; i++) {
    name = list[i]; old = name in installed ? installed[name] : ""
    print "Preparing to unpack .../" name "_" want[name] "_" architecture[name] ".deb ..."
    print "Unpacking " field_name(name) " (" want[name] ")" (old == "" ? "" : " over (" old ")") " ..."
    step(name, 100 * ++done / total, "Unpacking " name " (" architecture[name] ")")
  }
  for (name in gone) {
    print "Removing " field_name(name) " (" installed[name] ") ..."
    print name, "-" > touched
  }
  for (i = 1; i <= n; i++) {
    name = list[i]
    print "Setting up " field_name(name) " (" want[name] ") ..."
    step(name, 100 * ++done / total, "Installed " name " (" architecture[name] ")")
    print name, want[name] > touched
  }
  for (name in want) if (!(name in installed)) {
    order[++lines] = name; installed[name] = ""; status[name] = "ii "; held[name] = ""
    mark[name] = name in pinned ? "manual" : "auto"
  }
  for (i = 1; i <= lines; i++) {
    name = order[i]
    if (name in gone) continue
    if ((name in pinned) || (name in manual)) m = "manual"; else m = mark[name]
    print name, (name in want ? want[name] : installed[name]), status[name], m, held[name] > out
  }
}

function field_name(n) { return same[n] == "same" ? n ":" architecture[n] : n }
