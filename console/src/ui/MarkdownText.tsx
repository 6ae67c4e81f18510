import ReactMarkdown from "react-markdown";
import gfm from "remark-gfm";
import styles from "./Markdown.module.css";

const PLUGINS = [gfm];

export default function MarkdownText({ children }: { children: string }) {
  return (
    <div className={styles.text}>
      <ReactMarkdown
        remarkPlugins={PLUGINS}
        components={{
          // A page has one h1, its title.
          h1: ({ children: words }) => <h2>{words}</h2>,
          // No picture of another host: the content security policy would stop it, and it would tell who reads.
          img: ({ alt }) => <span>{alt}</span>,
          a: ({ href, children: words }) => (
            <a href={href} rel="noopener noreferrer nofollow">
              {words}
            </a>
          ),
        }}
      >
        {children}
      </ReactMarkdown>
    </div>
  );
}
