// Prove runs all proofs in full, in the checkout that is the current folder, and
// prints one line for each kind with what it tried. It fails if a proof fails, or
// if a kind reports nothing.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// runs are the two builds that proofs need: with a hook at every shared atomic,
// and as it is shipped.
func runs() [][]string {
	return [][]string{
		{"test", "-count=1", "-v", "-timeout", "30m", "-run", "^TestProof", "-tags", "shmcheck", "./..."},
		{"test", "-count=1", "-v", "-timeout", "30m", "-run", "^TestProof", "./internal/proof/..."},
	}
}

func main() {
	if err := prove(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

func prove(out io.Writer) error {
	sums := &tally{}
	var failed error
	for _, args := range runs() {
		if err := run(sums, args); err != nil {
			failed = fmt.Errorf("go %v: %w", args, err)
		}
	}
	for _, line := range sums.lines() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return sums.complete(proof.Kinds())
}

// run runs one go test. Its output is kept back unless it fails.
func run(sums *tally, args []string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), proof.Variable+"=full")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var all []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		all = append(all, lines.Text())
		sums.add(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		for _, line := range all {
			fmt.Fprintln(os.Stderr, line)
		}
		return err
	}
	return nil
}
