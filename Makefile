# Every target is a step of .ci/run, which CI runs as a whole.
.PHONY: all check test race explore fallback fallbacks soak stress fuzz bench gate cross arm64 lint models prove

all:      ; .ci/run
check:    ; .ci/run vet lint
test:     ; .ci/run test
race:     ; .ci/run race
explore:  ; .ci/run shmcheck
fallback: ; .ci/run shmfallback
fallbacks: ; PACKAGES=./... .ci/run fallbacks pidns
soak:     ; .ci/run soak
stress:   ; .ci/run stress
fuzz:     ; .ci/run fuzz
bench:    ; .ci/run bench
gate:     ; .ci/run gate
cross:    ; .ci/run cross
arm64:    ; .ci/run arm64
lint:     ; .ci/run lint
models:   ; .ci/run models
prove:    ; .ci/run prove
