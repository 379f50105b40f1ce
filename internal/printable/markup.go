package printable

import "strings"

// A comment between two characters is not shown, and no renderer finds a mention, a reference or an address across
// it; an escaped "@" is still one for those who look at the rendered text, as GitHub does.
const apart = "<!-- -->"

// The backslash is escaped too, or "\*" of the text would take the effect of our own backslash away.
var markup = strings.NewReplacer(
	`\`, `\\`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "$", `\$`,
	"@", "@"+apart, "#", `\#`+apart, "://", ":"+apart+"//", "www.", "www."+apart)

// Markdown returns s, as one line, so that Markdown shows it as it is: no markup, no HTML, no link, no mention, no
// reference.
func Markdown(s string) string { return markup.Replace(Line(s)) }

// MarkdownCode returns s as a code span of one line that can stand in a table.
func MarkdownCode(s string) string {
	return "`" + strings.NewReplacer("`", "'", "|", `\|`).Replace(Line(s)) + "`"
}

// Shell returns s as one word of a POSIX shell, whatever is in it. What no shell reads as anything else stays as it is.
func Shell(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(plain, r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(Line(s), "'", `'\''`) + "'"
}

// plain are the characters that mean themselves in a word of a shell, wherever they stand.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-"
