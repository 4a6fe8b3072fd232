package vault

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// errNotAMapping does not say where: the parser's own message would show lines of the file.
var errNotAMapping = errors.New("is not a YAML mapping of names to texts; write a line NAME: 'value' for each variable")

// parseVariables reads a YAML mapping of names to texts. A text is taken as it is written: 1.10 stays 1.10, and 0123 is no
// number. No error shows a value.
func parseVariables(text []byte) (map[string]string, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) > 1 {
		return nil, errNotAMapping
	}
	variables := map[string]string{}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return variables, nil
	}
	var entries []*ast.MappingValueNode
	switch body := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		entries = body.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{body}
	case *ast.CommentGroupNode:
	default:
		return nil, errNotAMapping
	}
	for _, entry := range entries {
		key, ok := entry.Key.(ast.ScalarNode)
		if !ok {
			return nil, errNotAMapping
		}
		name := key.GetToken().Value
		if err := CheckName(name); err != nil {
			return nil, err
		}
		if variables[name], err = scalarText(entry.Value); err != nil {
			return nil, fmt.Errorf("%w (the variable %s)", err, name)
		}
	}
	return variables, nil
}

func scalarText(node ast.Node) (string, error) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, nil
	case *ast.LiteralNode:
		return node.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New("has a variable without a value: write '' for an empty text")
	}
	return "", errNotAMapping
}
