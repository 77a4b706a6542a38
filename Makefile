# The plugin is built by PGXS here; the command and the unit tests by CMake,
# driven from here. `make help` lists the targets.

.DEFAULT_GOAL = all

EXTENSION = sql/wal2lake
DATA = sql/wal2lake--0.1.0.sql
MODULE_big = wal2lake

SERVER_OBJS = \
	plugin/server/batch.o \
	plugin/server/callbacks.o \
	plugin/server/ddl_facts.o \
	plugin/server/ddl_reader.o \
	plugin/server/key_ring.o \
	plugin/server/label_catalog.o \
	plugin/server/label_functions.o \
	plugin/server/label_watch.o \
	plugin/server/memory_limit.o \
	plugin/server/module.o \
	plugin/server/options.o \
	plugin/server/output_text.o \
	plugin/server/policy_cache.o \
	plugin/server/sql_functions.o \
	plugin/server/stream.o \
	plugin/server/token_functions.o \
	plugin/server/tuple_reader.o \
	plugin/server/value_reader.o
CORE_OBJS = \
	plugin/core/ddl.o \
	plugin/core/frame_reader.o \
	plugin/core/frame_text.o \
	plugin/core/key_file.o \
	plugin/core/label.o \
	plugin/core/options.o \
	plugin/core/policy.o \
	plugin/core/record.o \
	plugin/core/record_text.o \
	plugin/core/token.o \
	plugin/core/types.o \
	plugin/core/wire_reader.o
OBJS = $(SERVER_OBJS) $(CORE_OBJS)

# The policy library is loaded into every backend, so it has no C++ runtime: the
# core files in it are compiled once more without exceptions.
POLICY_CORE_OBJS = \
	plugin/policy/core_key_file.o \
	plugin/policy/core_label.o \
	plugin/policy/core_policy.o \
	plugin/policy/core_types.o
POLICY_OBJS = plugin/policy/policy.o plugin/policy/label_history.o $(POLICY_CORE_OBJS)
EXTRA_CLEAN = wal2lake_policy.so $(POLICY_OBJS)

# Symbols are hidden unless the server must find them. Before PostgreSQL 16
# PGDLLEXPORT is empty, which would hide the magic block too.
HARDEN = -fvisibility=hidden -fstack-clash-protection -fcf-protection
PG_CPPFLAGS = -I$(srcdir)/plugin '-DPGDLLEXPORT=__attribute__((visibility("default")))'
PG_CFLAGS = $(HARDEN) -std=gnu11 -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
PG_CXXFLAGS = $(HARDEN) -fvisibility-inlines-hidden -std=c++20 -Wall -Wextra -Wshadow -D_GLIBCXX_ASSERTIONS
SHLIB_LINK = -lstdc++ -lcrypto -Wl,-z,noexecstack -Wl,--version-script=$(srcdir)/plugin/server/exports.map
ifdef WERROR
PG_CFLAGS += -Werror
PG_CXXFLAGS += -Werror
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(PGXS),)
# Nothing can be inlined out of an output plugin, and bitcode needs clang.
override with_llvm = no
include $(PGXS)
else
all install:
	@echo "$(PG_CONFIG) was not found: run 'make deps', or name it with PG_CONFIG=" >&2; exit 1
endif

# core/ sees no server header: not by an include path, not by accident. xxHash is
# compiled in, so that the server needs no further library. A failed assertion
# would end the cluster; the unit tests run with them.
$(CORE_OBJS) $(POLICY_CORE_OBJS): override CPPFLAGS := -I$(srcdir)/plugin -D_FORTIFY_SOURCE=2 -DXXH_INLINE_ALL -DNDEBUG
$(POLICY_CORE_OBJS): override CXXFLAGS += -fno-exceptions -fno-rtti
plugin/policy/core_%.o: plugin/core/%.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<

# Loops over the columns of a row are worth more than the size of the code. Whoever
# builds without optimising wants to look inside.
ifneq ($(findstring -O2,$(CFLAGS)),)
$(OBJS): override CFLAGS += -O3
$(OBJS): override CXXFLAGS += -O3
endif

# Headers are few: any change of one rebuilds all.
$(OBJS) $(POLICY_OBJS): $(wildcard plugin/*/*.h)

all: wal2lake_policy.so
wal2lake_policy.so: $(POLICY_OBJS)
	$(CC) $(CFLAGS) -shared -o $@ $(POLICY_OBJS) $(LDFLAGS) -Wl,-z,noexecstack \
		-Wl,--version-script=$(srcdir)/plugin/policy/exports.map

install: install-policy
install-policy: wal2lake_policy.so
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_SHLIB) wal2lake_policy.so '$(DESTDIR)$(pkglibdir)/'

uninstall: uninstall-policy
uninstall-policy:
	rm -f '$(DESTDIR)$(pkglibdir)/wal2lake_policy.so'

# ---- targets for people ----

CMAKE_BUILD = build/release
CMAKE_FLAGS = -G Ninja $(if $(shell command -v ccache 2>/dev/null),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
PYTHON = /usr/bin/python3

.PHONY: help deps command command-install demo bench fuzz installcheck test-quick test test-long test-matrix lint format

help:
	@echo "make                 build the plugin against the PostgreSQL of PG_CONFIG"
	@echo "make install         install it into that PostgreSQL"
	@echo "make command         build the command wal2lake (build/release/tools/wal2lake/wal2lake)"
	@echo "make command-install install it, unit and user for systemd below PREFIX (/usr/local)"
	@echo "make deps            install the Debian packages that building and testing need"
	@echo "make demo            a throwaway server, a workload, a lake: see it work (STORE=s3: in a bucket)"
	@echo "make bench           this plugin and others on the same WAL (BENCH='--scale 0.05': smaller)"
	@echo "make fuzz            fuzz the readers, FUZZ_SECONDS each (60; FUZZ_TARGETS='label config': only those)"
	@echo "make installcheck    regression tests against a temporary server (TESTS='a b': only those)"
	@echo "make test-quick      lint, unit and regression tests (< 3 minutes)"
	@echo "make test            all of it, with the end-to-end tests (<= 20 minutes)"
	@echo "make test-long       the same with longer runs (<= 60 minutes)"
	@echo "make test-matrix     pg_regress and end-to-end tests on PostgreSQL 15, 17, 18 (VERSIONS='18': only those)"
	@echo "make lint format     check formatting, layers, clang-tidy, cppcheck; apply formatting"

deps:
	@tools/dev/deps.sh

command:
	@mkdir -p build
	@cmake -S . -B $(CMAKE_BUILD) $(CMAKE_FLAGS) > build/cmake.log 2>&1 || { cat build/cmake.log; exit 1; }
	@cmake --build $(CMAKE_BUILD) --target wal2lake

PREFIX ?= /usr/local
command-install: command
	$(INSTALL) -D -m 755 $(CMAKE_BUILD)/tools/wal2lake/wal2lake '$(DESTDIR)$(PREFIX)/bin/wal2lake'
	$(INSTALL) -D -m 644 deploy/systemd/wal2lake.sysusers '$(DESTDIR)$(PREFIX)/lib/sysusers.d/wal2lake.conf'
	$(INSTALL) -D -m 644 deploy/systemd/wal2lake.service '$(DESTDIR)$(PREFIX)/lib/systemd/system/wal2lake.service'
	sed -i 's|@bindir@|$(PREFIX)/bin|' '$(DESTDIR)$(PREFIX)/lib/systemd/system/wal2lake.service'

# PGXS's own installcheck wants a running server; ours brings one.
installcheck:
	@tools/dev/regress.sh $(TESTS)

# Everything a test run stands on: built, and the plugin installed.
.PHONY: built
built: deps
	@tools/dev/build.sh

demo: built
	@$(PYTHON) tools/dev/demo.py $(if $(STORE),--store $(STORE)) $(DEMO)

# Loads the libraries of this checkout into a server of its own; what is installed is not touched.
bench:
	@tools/dev/deps.sh bench
	@$(MAKE) --no-print-directory -s all command
	@$(MAKE) --no-print-directory -s -C regress/bench/floor PG_CONFIG='$(PG_CONFIG)'
	@$(PYTHON) regress/bench/bench.py $(BENCH)

fuzz: deps
	@tools/dev/fuzz.sh

test-quick: built
	@tools/dev/test.sh quick
test: built
	@tools/dev/test.sh full
test-long: built
	@tools/dev/test.sh long

# Newer servers are fetched once; see tools/dev/chroot.py.
test-matrix: deps command
	@tools/dev/deps.sh matrix
	@cmake --build $(CMAKE_BUILD) --target wal2lake_failpoints wal2lake_mutant > build/cmake.log 2>&1 || { cat build/cmake.log; exit 1; }
	@$(PYTHON) tools/dev/matrix.py $(VERSIONS)

FORMATTED = $(shell git ls-files '*.c' '*.cpp' '*.h')
lint:
	@tools/dev/lint.sh
format:
	clang-format -i $(FORMATTED)
