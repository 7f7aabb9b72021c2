// Reads a line {contexts, expressions} at a time and answers with a line of what GitHub's package
// makes of each expression: {kind, json} or {error, message}.
import {createInterface} from "node:readline";
import {data, Evaluator, Lexer, Parser} from "@actions/expressions";
import {kindStr} from "@actions/expressions/data/expressiondata";

function outcome(expression, contexts, names) {
  let at = "lexing";
  try {
    const {tokens} = new Lexer(expression).lex();
    at = "parsing";
    const tree = new Parser(tokens, names, []).parse();
    at = "evaluation";
    const value = tree === undefined ? new data.Null() : new Evaluator(tree, contexts).evaluate();
    return {kind: kindStr(value.kind), json: JSON.stringify(value, data.replacer)};
  } catch (error) {
    return {error: at, message: String(error.message)};
  }
}

for await (const line of createInterface({input: process.stdin})) {
  const {contexts: plain, expressions} = JSON.parse(line);
  const contexts = JSON.parse(JSON.stringify(plain), data.reviver);
  const names = contexts.pairs().map(pair => pair.key);
  const outcomes = expressions.map(expression => outcome(expression, contexts, names));
  process.stdout.write(JSON.stringify(outcomes) + "\n");
}
