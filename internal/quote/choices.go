package quote

import "strings"

// Choices returns the values that the user can choose from as text: "a, b or c".
func Choices(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}
