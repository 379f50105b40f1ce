package printable

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// attacks are names that try to be more than names.
var attacks = []string{
	"# INJECTED HEADING", "x\n# INJECTED HEADING", "![t](https://attacker.example/beacon.png)", "[click](https://attacker.example)",
	`\[click](https://attacker.example)`,
	"<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "https://attacker.example/x", "www.attacker.example",
	"mailto:a@attacker.example",
	"*bold* _it_ `code` ~~gone~~", `\*bold\*`, "&lt;img src=x&gt;", "a|b|c", "``` \n- x", "@org/security #17",
	"[r]: https://attacker.example\n[r]",
	"main.(*T[go.shape.int]).F·1", "a\x1b]0;x\x07",
}

// TestMarkdownIsInert renders the attacks with GitHub's extensions: no element comes of them, and the text that is shown
// is the one that was meant.
func TestMarkdownIsInert(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	tags := regexp.MustCompile(`<!--.*?-->`)
	element := regexp.MustCompile(`<(/?[a-z0-9]+)`)
	for _, attack := range attacks {
		for what, source := range map[string]string{
			"text": "x " + Markdown(attack), "code": "x " + MarkdownCode(attack), "heading": "### " + Markdown(attack),
		} {
			var b bytes.Buffer
			if err := md.Convert([]byte(source), &b); err != nil {
				t.Fatal(err)
			}
			html := tags.ReplaceAllString(b.String(), "")
			for _, m := range element.FindAllStringSubmatch(html, -1) {
				switch name := strings.TrimPrefix(m[1], "/"); {
				case name == "p" && what != "heading", name == "h3" && what == "heading", name == "code" && what == "code":
				default:
					t.Errorf("%s of %q makes an element %s:\n%s\n%s", what, attack, name, source, html)
				}
			}
		}
	}
}

// TestMarkdownKeepsMentionsApart looks for what finds mentions and references in the rendered text.
func TestMarkdownKeepsMentionsApart(t *testing.T) {
	for _, found := range []string{"@org", "#17", "://", "www.a"} {
		if strings.Contains(Markdown("see @org and #17 at https://www.attacker.example"), found) {
			t.Errorf("%s can be found in %s", found, Markdown("see @org and #17 at https://www.attacker.example"))
		}
	}
}

// TestShellWord has a real shell read the words.
func TestShellWord(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for _, attack := range append(attacks, `main.book';touch${IFS}PWNED;#`, "$(id)", "`id`", `a\b`, "", "~", "a b", "x=y", "main.(*T).f") {
		if strings.ContainsRune(attack, 0) {
			continue
		}
		out, err := exec.Command(sh, "-c", "printf %s "+Shell(attack)).Output()
		if err != nil || string(out) != Line(attack) {
			t.Errorf("%q -> %q, %v", attack, out, err)
		}
	}
	if got := Shell("/tmp/a-b_c/mayfly.pb.gz"); got != "/tmp/a-b_c/mayfly.pb.gz" {
		t.Errorf("a plain word is quoted: %s", got)
	}
}
